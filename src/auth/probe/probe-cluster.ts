import type { ClusterSpec } from '../../domain/identity/cluster.ts';
import { certificatesIn } from '../../crypto/certificates/svid.ts';
import { WatchedFile } from '../../net/watched-file.ts';
import type { Clock } from '../../ports/clock.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { clusterLog } from '../../ports/log.ts';
import type { CheckReport } from '../../ports/secret-provider.ts';
import type { ClusterConnection } from '../cluster-connection.ts';
import { sourceOf } from '../create-authenticator.ts';
import { readJwks } from '../jwks/read-jwks.ts';
import {
  accountFindings,
  ASK_MS,
  issuerFinding,
  reviewFinding,
  rightFinding,
  watchRights,
} from './api-server.ts';
import { adviceFor, fine, problem, type Finding } from './finding.ts';

type KeyedConnection = Exclude<ClusterConnection, { readonly type: 'spiffe' }>;

export interface ProbedCluster {
  readonly name: string;
  readonly spec: ClusterSpec;
  readonly connection: ClusterConnection;
  /** Resources that the broker watches in this cluster, besides pods. */
  readonly watched: readonly string[];
  readonly clock: Clock;
}

/** Asks a cluster for everything that logins and watches need there. It changes nothing, and no line has a token. */
export async function probeCluster(probed: ProbedCluster): Promise<CheckReport> {
  const findings = await findingsOf(probed);
  return {
    healthy: findings.every(({ isProblem }) => !isProblem),
    findings: findings.map(({ text }) => text),
  };
}

async function findingsOf(probed: ProbedCluster): Promise<readonly Finding[]> {
  const { name, spec, connection, watched, clock } = probed;
  if (connection.type === 'spiffe') return [await bundleFinding(connection.bundleFile)];
  if (connection.type === 'jwks' || spec.type !== 'kubernetes')
    return [await keyFinding(name, connection, clock)];
  const { api } = connection;
  const account = await accountFindings(api, clock);
  // Without an answer to a first question, the others would say the same.
  if (account.some(({ isProblem }) => isProblem) && account.length === 1) return account;
  const findings = await Promise.all([
    ...(spec.mode === 'token-review' ? [] : [keyFinding(name, connection, clock)]),
    ...(spec.mode === 'jwks' ? [] : [reviewFinding(api, spec, clock)]),
    issuerFinding(api, spec, clock),
    ...watchRights(spec, watched).map((right) => rightFinding(api, right, clock)),
  ]);
  return [...account, ...findings.flatMap((finding) => finding ?? [])];
}

/** The keys with which the broker verifies tokens, fetched now as for a login. */
async function keyFinding(
  name: string,
  connection: KeyedConnection,
  clock: Clock,
): Promise<Finding> {
  const source = sourceOf(connection);
  const refused: string[] = [];
  const warn = ({ reason }: Readonly<Record<string, unknown>>): void =>
    void refused.push(String(reason));
  const quiet = { warn, info: () => undefined, error: () => undefined };
  const log = clusterLog(quiet, { cluster: name });
  try {
    const document = await withDeadline(clock, ASK_MS, (signal) => source.fetch(signal));
    const { size } = await readJwks(document, log);
    const more = refused.length === 0 ? '' : `; others are not used: ${refused.join(', ')}`;
    return fine(`keys: ${size} for the signatures of tokens${more}`);
  } catch (error) {
    return problem(
      `keys: cannot be loaded (${adviceFor(error)}): for an API server add get of the URL /openid/v1/jwks to the ClusterRole of the broker, otherwise check file, issuerUrl and hosts of the connection`,
    );
  } finally {
    source.close();
  }
}

async function bundleFinding(file: string): Promise<Finding> {
  try {
    const { length } = certificatesIn(await new WatchedFile(file).text());
    if (length > 0) return fine(`bundle: ${length} certificates of authorities`);
    return problem(`bundle: ${file} has no certificate: check bundleFile of the connection`);
  } catch {
    return problem(`bundle: ${file} cannot be read: check bundleFile of the connection`);
  }
}
