import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { isWellFormedToken } from '../../crypto/random/token.ts';
import { isEnrolling, type EnrollingClusterSpec } from '../../domain/identity/cluster.ts';
import { BrokerError } from '../../domain/errors.ts';
import { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { Call } from '../../broker/access/call.ts';
import type { StoredDocument } from '../../broker/model/document.ts';
import { commitDecided, entryOf, isUnrecordable } from '../../broker/recording/record.ts';
import { recordRefusal, strangerOf } from '../../broker/recording/refusals.ts';
import type { Access, Recording } from '../../broker/state/dependencies.ts';
import type { ClusterCredential, Enrolling } from '../../broker/state/enrolled-clusters.ts';
import { isForRow, MOST_ATTEMPTS, sameRow, unchanged, type EnrolmentRow } from './enrolments.ts';
import { requestToken } from './request-token.ts';

type JoiningParts = Recording & Access & Enrolling;

export interface Joining {
  readonly cluster: string;
  readonly code: string;
  /** A token of the declared account, which may request its successor. The broker does not keep it. */
  readonly token: string;
}

/**
 * Enrols a cluster: the code admits the request, and the API server that the document declares proves the account, because it gives the broker a token of that
 * account. A code alone therefore enrols nothing.
 * @returns the end of the credential. The same code with the same token is answered in the same way again, and changes nothing.
 * @throws ERR_TOKEN_INVALID, the same for every code that cannot be used. With a code: ERR_CONFLICT and the errors of the API server
 */
export async function joinCluster(
  parts: JoiningParts,
  call: Call,
  joining: Joining,
): Promise<number> {
  const document = { kind: 'cluster', name: joining.cluster };
  try {
    return await join(parts, call, joining);
  } catch (error) {
    const failure = BrokerError.from(error);
    if (!isUnrecordable(failure)) {
      const described = { action: 'enrolment.use', document } as const;
      await recordRefusal(parts, { call, caller: undefined }, described, failure);
    }
    throw failure;
  }
}

async function join(parts: JoiningParts, call: Call, joining: Joining): Promise<number> {
  const before = await admitted(parts, joining);
  if (before.used !== undefined) return before.used;
  const attempted = await countAttempt(parts, before);
  const credential = await requestToken(parts, before.spec, new Sensitive(joining.token)).catch(
    (error: unknown) => {
      throw explained(error);
    },
  );
  return keepCredential(parts, call, { ...before, row: attempted, joining, credential });
}

interface Admitted {
  readonly row: EnrolmentRow;
  readonly document: StoredDocument<'cluster'>;
  readonly spec: EnrollingClusterSpec;
  /** The end of the credential, if the same request has succeeded before. */
  readonly used: number | undefined;
}

/** Finds the cluster that a code admits. Nothing is sent to an API server before. @throws ERR_TOKEN_INVALID */
async function admitted(parts: JoiningParts, { cluster, code, token }: Joining): Promise<Admitted> {
  if (!isWellFormedToken('qme', code)) throw refused('code_form');
  const row = await parts.store.get('enrolments', { cluster });
  // A code has 256 random bits, and its hash is compared, so the time of the comparison reveals nothing.
  if (row === undefined || row.code !== sha256Hex(code)) throw refused('unknown_code');
  if ((row.code_ends_at ?? 0) <= parts.clock.now()) throw refused('code_expired');
  await parts.state.catchUp();
  const document = parts.catalog.find('cluster', cluster);
  if (document === undefined || !isForRow(row, document)) throw refused('cluster_changed');
  const { spec } = document;
  if (!isEnrolling(spec)) throw refused('cluster_changed');
  return { row, document, spec, used: usedBefore(row, token) };
}

/** The end of the credential, if the code was used with this token; undefined for a code that can be used. @throws ERR_TOKEN_INVALID */
function usedBefore(
  { used_by, attempts, ends_at }: EnrolmentRow,
  token: string,
): number | undefined {
  if (used_by === null) {
    if (attempts >= MOST_ATTEMPTS) throw refused('too_many_attempts');
    return undefined;
  }
  if (used_by !== sha256Hex(token) || ends_at === null) throw refused('code_used');
  return ends_at;
}

/** Counts before it asks the API server, so that one code causes a few requests at most, however many use it at once. */
async function countAttempt({ store }: JoiningParts, { row }: Admitted): Promise<EnrolmentRow> {
  const attempts = row.attempts + 1;
  const outcome = await store.commit({
    expect: [sameRow(row.cluster, row)],
    writes: [{ table: 'enrolments', key: { cluster: row.cluster }, change: { attempts } }],
  });
  if (outcome.status !== 'committed')
    throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
  return { ...row, attempts };
}

/** The holder of a code learns why the API server gave no token: the person who runs the command needs it. */
function explained(error: unknown): BrokerError {
  const failure = BrokerError.from(error);
  const code = failure.code === 'ERR_NOT_FOUND' ? 'ERR_PROVIDER_DENIED' : failure.code;
  const advice = ADVICE[code];
  return advice === undefined ? failure : new BrokerError(code, advice, { cause: failure });
}

const ADVICE: Readonly<Partial<Record<BrokerError['code'], string>>> = {
  ERR_PROVIDER_DENIED:
    'the API server of the cluster issued no token: the sent token must be of the declared account, which needs create of serviceaccounts/token for itself, and a Secret of its name must exist',
  ERR_PROVIDER_UNAVAILABLE:
    'the broker cannot reach the API server of the cluster, or its certificate is not from apiServer.ca: check both, and network policies',
  ERR_PROVIDER_TIMEOUT:
    'the API server of the cluster did not answer in time: check address, routes and network policies',
};

interface Kept {
  readonly row: EnrolmentRow;
  readonly document: StoredDocument<'cluster'>;
  readonly joining: Joining;
  readonly credential: ClusterCredential;
}

function keepCredential(
  parts: JoiningParts,
  call: Call,
  { row, document, joining, credential }: Kept,
): Promise<number> {
  const { token, endsAt, renewAt } = credential;
  const { cluster } = row;
  const change = {
    used_by: sha256Hex(joining.token),
    sealed: parts.enrolled.encrypt(row, token.reveal()),
    ends_at: endsAt,
    renew_at: renewAt,
    updated_at: parts.clock.now(),
  };
  const { name, version } = document;
  const used = { kind: 'cluster', name, version };
  const event = { action: 'enrolment.use', outcome: 'ok', document: used, endsAt } as const;
  return commitDecided(parts, (decidedAt) => ({
    plan: {
      decidedAt,
      notAfter: row.code_ends_at ?? 0,
      expect: [unchanged(document), sameRow(cluster, row)],
      writes: [{ table: 'enrolments', key: { cluster }, change }],
      invalidates: [`enrolment:${cluster}`],
      entries: [entryOf(parts, call, { actor: strangerOf(parts) }, event)],
    },
    settle: () => endsAt,
    conflict: () => refused('code_used'),
  }));
}

function refused(reason: string): BrokerError {
  return new BrokerError('ERR_TOKEN_INVALID', undefined, { reason });
}
