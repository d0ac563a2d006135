import type { EncodedActor, EncodedClient } from '../../domain/audit/audit-event.ts';
import type { AuditActor } from '../../domain/audit/audit-actor.ts';
import { encodeActor, encodeEvent, encodeRefusal } from '../../domain/audit/audit-event.ts';
import { BrokerError, type ErrorKind } from '../../domain/errors.ts';
import type { Outcome, Plan } from '../../ports/store.ts';
import { randomId } from '../../crypto/random/random.ts';
import { isStanding, refreshCaller } from '../access/authenticate.ts';
import type { Call, Caller } from '../access/call.ts';
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
  /** Plan of the refusal; undefined if it was counted, and nothing is left to commit. */
  readonly plan: Plan | undefined;
  /** Runs after the commit: discloses the result, or throws the recorded refusal. */
  readonly settle: () => T;
  /** Rolls back the attempt's changes to memory if its plan did not commit. */
  readonly undo?: () => void;
  /** The error for a failed expectation; without it, the attempt is repeated. */
  readonly conflict?: (index: number) => BrokerError;
}

const ATTEMPTS = 3;

/**
 * Decides, records, and only then answers. A plan that an invalidation overtook is decided again, three times at most.
 * @throws ERR_BUSY if invalidations keep arriving; also the errors of `settle` and of the store.
 */
export async function commitDecided<T>(
  parts: Pick<Recording, 'state' | 'store' | 'trace'>,
  attempt: (decidedAt: number) => Attempt<T> | Promise<Attempt<T>>,
): Promise<T> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const made =
      parts.trace === undefined
        ? attempt(parts.state.applied())
        : parts.trace.part('decide', () => attempt(parts.state.applied()));
    // An attempt served from memory is not awaited: a read would otherwise pay a round of promises for each step.
    const { plan, settle, undo, conflict } = made instanceof Promise ? await made : made;
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
