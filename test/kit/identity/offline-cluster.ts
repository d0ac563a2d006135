import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthenticator } from '../../../src/auth/index.ts';
import type { ClusterSpec, KubernetesClusterSpec } from '../../../src/domain/identity/cluster.ts';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { AttestedWorkload } from '../../../src/ports/workload-authenticator.ts';
import { HandClock } from '../time/hand-clock.ts';
import { boundClaims } from './token-factory.ts';
import { warningsLog } from '../fakes/warnings-log.ts';

export const ISSUER = 'https://kubernetes.default.svc.cluster.local';
export const AUDIENCE = 'https://broker.test';

export const SPEC: KubernetesClusterSpec = {
  type: 'kubernetes',
  connection: 'keys',
  issuer: ISSUER,
  audiences: [AUDIENCE],
  allowSeveralAudiences: false,
  mode: 'jwks',
  maxTokenLifetimeSeconds: 86_400,
  allowWithoutPod: false,
  podWatch: false,
  podFactsMaxAgeSeconds: 600,
  podLabelsMaxAgeSeconds: 86_400,
  trivyReports: false,
};

export interface LogLine {
  readonly message: string;
  readonly [field: string]: unknown;
}

/** A cluster whose keys are in a file, with a clock that the test moves. */
export interface OfflineCluster {
  readonly clock: HandClock;
  readonly log: readonly LogLine[];
  /** The claims of a valid token, issued now. */
  claims(changes?: Readonly<Record<string, unknown>>): Record<string, unknown>;
  authenticate(token: string): Promise<AttestedWorkload>;
  replaceKeys(keys: readonly unknown[]): Promise<void>;
  close(): Promise<void>;
}

function specOf(changes: Partial<KubernetesClusterSpec> | ClusterSpec): ClusterSpec {
  return changes.type === 'oidc' ? changes : { ...SPEC, ...changes };
}

export async function offlineCluster(
  keys: readonly unknown[],
  changes: Partial<KubernetesClusterSpec> | ClusterSpec = {},
  name = 'east',
): Promise<OfflineCluster> {
  const directory = await mkdtemp(join(tmpdir(), 'qm-auth-'));
  const file = join(directory, 'jwks.json');
  const replaceKeys = (next: readonly unknown[]): Promise<void> =>
    writeFile(file, JSON.stringify({ keys: next }));
  await replaceKeys(keys);
  const clock = new HandClock();
  const log: LogLine[] = [];
  const authenticator = createAuthenticator(
    { name, spec: specOf(changes) },
    { type: 'jwks', file },
    { clock, log: warningsLog((fields, message) => void log.push({ message, ...fields })) },
  );
  const signal = new AbortController().signal;
  return {
    clock,
    log,
    claims: (own = {}) => ({
      ...boundClaims({ issuer: ISSUER, audience: [AUDIENCE], issuedAt: clock.now() / 1000 }),
      ...own,
    }),
    authenticate: (token) => authenticator.authenticate(token, { requestId: 'req_1', signal }),
    replaceKeys,
    async close() {
      authenticator.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** `<code> <reason>` of a failure; a success or another error fails the test. */
export async function refusalOf(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof BrokerError) return `${error.code} ${error.reason ?? ''}`;
    throw error;
  }
  throw new Error('it was accepted');
}

export function refused(reason: string): string {
  return `ERR_TOKEN_INVALID ${reason}`;
}
