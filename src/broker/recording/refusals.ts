import { encodeActor, encodeRefusal, type EncodedActor } from '../../domain/audit/audit-event.ts';
import { BrokerError } from '../../domain/errors.ts';
import { PostureRefused } from '../../domain/posture/refusal.ts';
import type { Refused } from '../../ports/refusal-tally.ts';
import { identityOf, type Call, type Caller } from '../access/call.ts';
import type { Recordable, Recording } from '../state/dependencies.ts';
import { isUnrecordable, outcomeOf } from './record.ts';
import { LiveSession } from '../state/session-memory.ts';

/** A refused or failed event, without its outcome. */
export type Described = Recordable extends infer E
  ? E extends Recordable
    ? Omit<E, 'outcome' | 'code' | 'reason'>
    : never
  : never;

const unauthenticated = new WeakMap<object, EncodedActor>();
/** Refusals and failures that the audit log already contains, or that were counted for its summaries. */
const recorded = new WeakSet<BrokerError>();

/**
 * Reports whether the error needs no audit entry: it already has one, or it was counted. After a failed commit nothing can be
 * recorded at all. Use cases record their own refusals; the API records all others.
 */
export function isRecorded(error: unknown): boolean {
  return error instanceof BrokerError && (recorded.has(error) || isUnrecordable(error));
}

/** The error of an absent object that the caller may read. Its request was recorded, and was not refused. */
export function recordedAbsence(): BrokerError {
  const error = new BrokerError('ERR_NOT_FOUND');
  recorded.add(error);
  return error;
}

/**
 * Returns the audit entry of a refusal or failure for the caller to commit. Undefined: it was counted into a summary instead. Without a
 * caller, the actor is unauthenticated. A crash loses the counts of one window. A refusal discloses nothing, so the log still contains
 * every disclosure.
 */
export function refusalEntry(
  parts: Recording,
  { call, caller }: { readonly call: Call; readonly caller: Caller | undefined },
  described: Described & { readonly outcome?: Refused['outcome'] },
  error: BrokerError,
): string | undefined {
  recorded.add(error);
  const { code, reason } = error;
  parts.refusalCounts.count(described.action, code, reason);
  const { outcome = outcomeOf(error) } = described;
  const facts = PostureRefused.factsOf(error);
  const event = { ...described, ...facts, outcome, code, reason } as Recordable &
    Pick<Refused, 'outcome'>;
  const actor = caller?.actor ?? strangerOf(parts);
  const admitted =
    caller === undefined
      ? parts.refusals.admit(refusedStranger(call, actor, outcome))
      : parts.denials.admit(refusedCaller(parts, caller, event));
  if (!admitted) return undefined;
  const { requestId, refusedClient: client } = call;
  const time = parts.clock.now();
  return encodeRefusal({ time, requestId, client, actor, ...event }, parts.digest);
}

/** Counts a refusal by network only, because an unauthenticated caller chooses the paths that it requests. */
function refusedStranger(
  { network }: Call,
  actor: EncodedActor,
  outcome: Refused['outcome'],
): Refused {
  return { holder: network, kind: 'any', outcome, network, actor };
}

function refusedCaller(
  parts: Pick<Recording, 'digest'>,
  caller: Caller,
  event: Recordable & Pick<Refused, 'outcome'>,
): Refused {
  const { action, outcome, code, reason } = event;
  const path = 'path' in event ? event.path : undefined;
  return {
    holder: identityOf(caller),
    kind: JSON.stringify([action, path, code, reason]),
    action,
    outcome,
    code,
    reason,
    path,
    actor: caller.actor,
    sharedActor: () => sharedActor(parts, caller),
  };
}

/** The actor of a summary: a workload with all its pods and sessions. */
function sharedActor(parts: Pick<Recording, 'digest'>, caller: Caller): EncodedActor {
  if (!(caller instanceof LiveSession)) return caller.actor;
  const { workload } = caller.session;
  if ('identity' in workload) return encodeActor({ kind: 'workload', workload }, parts.digest);
  const { cluster, namespace, serviceAccount, serviceAccountUid } = workload;
  const account = { cluster, namespace, serviceAccount, serviceAccountUid };
  return encodeActor({ kind: 'workload', workload: account }, parts.digest);
}

/** The actor of an entry of a request without a known caller. */
export function strangerOf(parts: Pick<Recording, 'digest'>): EncodedActor {
  const known = unauthenticated.get(parts);
  if (known !== undefined) return known;
  const actor = encodeActor({ kind: 'unauthenticated' }, parts.digest);
  unauthenticated.set(parts, actor);
  return actor;
}

/** Records or counts a refusal. */
export async function recordRefusal(
  parts: Recording,
  who: { readonly call: Call; readonly caller: Caller | undefined },
  described: Parameters<typeof refusalEntry>[2],
  error: BrokerError,
): Promise<void> {
  const entry = refusalEntry(parts, who, described, error);
  if (entry !== undefined) await parts.store.commit({ entries: [entry] });
}

/** Records a request that reached no use case: no valid token, malformed, unknown route, or rate-limited. */
export async function refuseRequest(
  parts: Recording,
  who: { readonly call: Call; readonly caller: Caller | undefined },
  error: BrokerError,
): Promise<void> {
  const outcome = error.kind === 'internal' ? 'error' : 'deny';
  await recordRefusal(parts, who, { action: 'request.refused', outcome }, error);
}
