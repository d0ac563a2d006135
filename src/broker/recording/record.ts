import type { EncodedActor, EncodedClient } from '../../domain/audit-event.ts';
import type { AuditActor } from '../../domain/audit-actor.ts';
import { encodeActor, encodeEvent, encodeRefusal } from '../../domain/audit-event.ts';
import { BrokerError, type ErrorKind } from '../../domain/errors.ts';
import type { Outcome, Plan } from '../../ports/store.ts';
import { randomId } from '../../crypto/random.ts';
import { isStanding, standing } from '../sessions/authenticate.ts';
import type { Call, Caller } from '../call.ts';
import type { Parts, Recordable } from '../parts.ts';

/** The entry of something a caller did. */
export function entryOf(parts: Parts, call: Call, caller: Caller, event: Recordable): string {
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

/** Writes the entries of a part of the broker that acts by itself, each piece of work under an id of its own. */
export class SystemActor {
  readonly #parts: Pick<Parts, 'clock' | 'digest'>;
  readonly #actor: EncodedActor;

  constructor(parts: Pick<Parts, 'clock' | 'digest'>, name: string) {
    this.#parts = parts;
    const actor: AuditActor = { kind: 'system', name };
    this.#actor = encodeActor(actor, parts.digest);
  }

  entry(event: Recordable, requestId: string = randomId('req')): string {
    const time = this.#parts.clock.now();
    return encodeEvent({ time, requestId, actor: this.#actor, ...event }, this.#parts.digest);
  }

  /** The entry of what callers were refused. */
  refusal(event: Recordable & { readonly client?: EncodedClient }): string {
    const time = this.#parts.clock.now();
    const requestId = randomId('req');
    return encodeRefusal({ time, requestId, actor: this.#actor, ...event }, this.#parts.digest);
  }
}

/** A refusal is a decision; anything else is something that should have worked. */
export function outcomeOf(error: BrokerError): 'deny' | 'error' {
  return REFUSALS.includes(error.kind) ? 'deny' : 'error';
}

/** The commit itself failed: certainly, or so that nobody knows. */
export function isUnrecordable({ code }: BrokerError): boolean {
  return code === 'ERR_AUDIT_UNAVAILABLE' || code === 'ERR_OUTCOME_UNKNOWN';
}

/** One try at a use case: what it would commit, and what then follows. */
export interface Attempt<T> {
  /** Undefined: the refusal was counted, and nothing else is to be committed. */
  readonly plan: Plan | undefined;
  /** Runs after the commit: reveals, or throws what the recorded refusal is. */
  readonly settle: () => T;
  /** Takes back what the attempt did to memory, when its plan did not commit. */
  readonly undo?: () => void;
  /** What an expectation that failed means; without it the attempt is made again. */
  readonly conflict?: (index: number) => BrokerError;
}

const ATTEMPTS = 3;

/**
 * Decides, records, and only then answers. A plan that something narrowed in the meantime is decided again, three times at most.
 * @throws ERR_BUSY when narrowings kept coming; whatever `settle` or the store throws.
 */
export async function commitDecided<T>(
  parts: Parts,
  attempt: (decidedAt: number) => Attempt<T> | Promise<Attempt<T>>,
): Promise<T> {
  for (let tries = 0; tries < ATTEMPTS; tries += 1) {
    const made = attempt(parts.state.applied());
    // An attempt that memory had all for is not waited for: a read would wait a round of promises for each step.
    const { plan, settle, undo, conflict } = made instanceof Promise ? await made : made;
    if (plan === undefined) return settle();
    const outcome = await committed(parts, plan, undo);
    if (outcome.status === 'committed') {
      // What this narrowed is out of memory before anybody is told that it is done.
      if (outcome.seq > 0) await parts.state.reached(outcome.seq);
      return settle();
    }
    undo?.();
    if (outcome.status === 'conflict' && conflict !== undefined) throw conflict(outcome.index);
    await parts.state.caughtUp();
  }
  throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
}

async function committed(
  parts: Parts,
  plan: Plan,
  undo: (() => void) | undefined,
): Promise<Outcome> {
  try {
    return await parts.store.commit(plan);
  } catch (error) {
    undo?.();
    throw error;
  }
}

/**
 * As `commitDecided`, for a caller: each attempt is made with the caller as it is by then.
 * @throws ERR_UNAUTHENTICATED when the caller's session or token is over.
 */
export function commitAs<C extends Caller, T>(
  parts: Parts,
  caller: C,
  attempt: (decidedAt: number, caller: C) => Attempt<T> | Promise<Attempt<T>>,
): Promise<T> {
  return commitDecided(parts, (decidedAt) =>
    isStanding(parts, caller)
      ? attempt(decidedAt, caller)
      : standing(parts, caller).then((now) => attempt(decidedAt, now)),
  );
}
