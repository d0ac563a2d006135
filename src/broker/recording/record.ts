import type { EncodedActor, EncodedClient } from '../../domain/audit/audit-event.ts';
import type { AuditActor } from '../../domain/audit/audit-actor.ts';
import { encodeActor, encodeEvent, encodeRefusal } from '../../domain/audit/audit-event.ts';
import { BrokerError, type ErrorKind } from '../../domain/errors.ts';
import type { Outcome, Plan } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import { isStanding, refreshCaller } from '../access/authenticate.ts';
import type { Call, Caller } from '../access/call.ts';
import type { Eventually } from '../kernel/eventually.ts';
import type { Access, Recordable, Recording } from '../state/dependencies.ts';

/** The audit entry of a caller's action. */
export function entryOf(
  parts: Pick<Recording, 'clock' | 'digest'>,
  call: Call,
  caller: Pick<Caller, 'actor'>,
  event: Recordable,
): string {
  return encodeEvent(
    {
      time: parts.clock.now(),
      requestId: call.requestId,
      actor: caller.actor,
      client: call.client,
      ...event,
    },
    parts.digest,
  );
}

const REFUSALS: readonly ErrorKind[] = [
  'denied',
  'unauthenticated',
  'not_found',
  'limited',
  'invalid',
];

/** Writes the audit entries of a background task. Each piece of work has its own request id. */
export class SystemActor {
  readonly #parts: Pick<Recording, 'clock' | 'digest'>;
  readonly #actor: EncodedActor;

  constructor(parts: Pick<Recording, 'clock' | 'digest'>, name: string) {
    this.#parts = parts;
    const actor: AuditActor = { kind: 'system', name };
    this.#actor = encodeActor(actor, parts.digest);
  }

  entry(
    event: Recordable & { readonly client?: EncodedClient },
    requestId: string = randomId('req'),
  ): string {
    const time = this.#parts.clock.now();
    return encodeEvent({ time, requestId, actor: this.#actor, ...event }, this.#parts.digest);
  }

  /** The audit entry that summarizes refusals of callers. */
  refusal(event: Recordable & { readonly client?: EncodedClient }): string {
    const time = this.#parts.clock.now();
    const requestId = randomId('req');
    return encodeRefusal({ time, requestId, actor: this.#actor, ...event }, this.#parts.digest);
  }
}

/** A refusal is a decision; every other error is a failure. */
export function outcomeOf(error: BrokerError): 'deny' | 'error' {
  return REFUSALS.includes(error.kind) ? 'deny' : 'error';
}

/** The commit itself failed, or its outcome is unknown. */
export function isUnrecordable({ code }: BrokerError): boolean {
  return code === 'ERR_AUDIT_UNAVAILABLE' || code === 'ERR_OUTCOME_UNKNOWN';
}

/** One attempt at a use case: the plan to commit, and the work after the commit. */
export interface Attempt<T> {
  /**
   * The plan; undefined if nothing is left to commit. An attempt that refuses something has a function that makes it: the entry of a refusal is counted, so
   * it is made only once the refusal is final.
   */
  readonly plan: Plan | undefined | (() => Plan | undefined);
  /** Runs after the commit: discloses the result, or throws the recorded refusal. */
  readonly settle: () => T;
  /** Rolls back the attempt's changes to memory if its plan did not commit. */
  readonly undo?: () => void;
  /** The error for a failed expectation; without it, the attempt is repeated. */
  readonly conflict?: (index: number) => BrokerError;
}

/** Number of decisions for a request. While others write one secret at two brokers all the time, a request for it loses two of three (measured). */
const ATTEMPTS = 30;

/** Kinds of refusals that a change at another broker may lift: a new secret, a policy, a role. */
const REVISABLE: readonly ErrorKind[] = ['denied', 'not_found', 'conflict', 'precondition'];

type Deciding = Pick<Recording, 'state' | 'store' | 'trace'>;
type Decider<T> = (decidedAt: number) => Eventually<Attempt<T>>;

/**
 * Reports whether an error refuses something by a state that another broker has changed since: then the request must be decided again. Refusals have no
 * fence, so without this check a caller could be refused what another broker has acknowledged before.
 * @throws ERR_STORE_UNAVAILABLE, ERR_BUSY
 */
export async function isOutdated(
  { state }: Pick<Recording, 'state'>,
  error: unknown,
  decidedAt: number,
): Promise<boolean> {
  return isRevisable(error) && (await state.catchUp()) > decidedAt;
}

function isRevisable(error: unknown): boolean {
  return error instanceof BrokerError && REVISABLE.includes(error.kind);
}

/**
 * Decides, records, and only then answers. A plan that an invalidation overtook is decided again, 30 times at most. A refusal is decided again once
 * if memory lacked a change of another broker.
 * @throws ERR_BUSY if invalidations keep arriving; also the errors of `settle` and of the store.
 */
export async function commitDecided<T>(parts: Deciding, attempt: Decider<T>): Promise<T> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const made = decide(parts, attempt);
    // An attempt served from memory is not awaited: a read would otherwise pay a round of promises for each step.
    const decided = made instanceof Promise ? await made : made;
    const { settle, undo, conflict } = decided;
    const plan = typeof decided.plan === 'function' ? decided.plan() : decided.plan;
    if (plan === undefined) return settle();
    let outcome: Outcome;
    try {
      outcome = await parts.store.commit(plan);
    } catch (error) {
      undo?.();
      throw error;
    }
    if (outcome.status === 'committed') {
      // Memory drops everything that this commit invalidated before any caller receives the success.
      if (outcome.seq > 0) await parts.state.waitForChange(outcome.seq);
      return settle();
    }
    undo?.();
    if (outcome.status === 'conflict' && conflict !== undefined) throw conflict(outcome.index);
    await parts.state.waitUntilCurrent();
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

function refuses({ plan }: Attempt<unknown>): boolean {
  return typeof plan === 'function';
}

/** Decides by what is in memory. A refusal is decided again if memory lacked a change of another broker. */
function decide<T>(parts: Deciding, attempt: Decider<T>): Eventually<Attempt<T>> {
  const decidedAt = parts.state.applied();
  const made = decideAt(parts, attempt, decidedAt);
  if (!(made instanceof Promise) && !refuses(made)) return made;
  return revise(parts, attempt, decidedAt, made);
}

async function revise<T>(
  parts: Deciding,
  attempt: Decider<T>,
  decidedAt: number,
  made: Eventually<Attempt<T>>,
): Promise<Attempt<T>> {
  const decided = await made;
  if (!refuses(decided)) return decided;
  let isFinal = false;
  try {
    isFinal = (await parts.state.catchUp()) === decidedAt;
  } finally {
    if (!isFinal) decided.undo?.();
  }
  return isFinal ? decided : decideAt(parts, attempt, parts.state.applied());
}

function decideAt<T>(
  { trace }: Deciding,
  attempt: Decider<T>,
  decidedAt: number,
): Eventually<Attempt<T>> {
  try {
    const made =
      trace === undefined ? attempt(decidedAt) : trace.part('decide', () => attempt(decidedAt));
    return made instanceof Promise ? made.catch(refusing) : made;
  } catch (error) {
    return refusing(error);
  }
}

/** A refusal that the attempt threw. Its use case records it. @throws the error if it refuses nothing */
function refusing(error: unknown): Attempt<never> {
  const fail = (): never => {
    throw error;
  };
  return isRevisable(error) ? { plan: fail, settle: fail } : fail();
}

/**
 * Commits like `commitDecided`, for a caller: each attempt uses the caller in its current state.
 * @throws ERR_UNAUTHENTICATED if the caller's session or token has ended.
 */
export function commitAs<C extends Caller, T>(
  parts: Access & Pick<Recording, 'state' | 'store' | 'trace'>,
  caller: C,
  attempt: (decidedAt: number, caller: C) => Attempt<T> | Promise<Attempt<T>>,
): Promise<T> {
  return commitDecided(parts, (decidedAt) =>
    isStanding(parts, caller)
      ? attempt(decidedAt, caller)
      : refreshCaller(parts, caller).then((now) => attempt(decidedAt, now)),
  );
}
