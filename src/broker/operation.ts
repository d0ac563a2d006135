import { BrokerError } from '../domain/errors.ts';
import { holdsEverywhere, type Role } from '../domain/principal.ts';
import { authorityEnd, type Call, type Caller } from './call.ts';
import { denied } from './judge.ts';
import type { Parts, Recordable } from './parts.ts';
import { commitDecided, entryOf, outcomeOf } from './record.ts';
import type { LiveOperator } from './state/operator-tokens.ts';

/** Who does something, through which request. */
export interface Acting {
  readonly parts: Parts;
  readonly call: Call;
  readonly caller: Caller;
}

/** What an operation is recorded as: its action and facts, less the outcome. */
export type Described = Recordable extends infer E
  ? E extends Recordable
    ? Omit<E, 'outcome' | 'code' | 'reason'>
    : never
  : never;

/**
 * Does something that only reads, records that it was done (or why not), and then answers. What it may do is decided inside `work`;
 * if that was narrowed before the record is durable, it is done again.
 */
export async function recordOperation<T>(
  { parts, call, caller }: Acting,
  described: Described,
  work: () => T | Promise<T>,
): Promise<T> {
  return commitDecided(parts, async (decidedAt) => {
    const { result, failure } = await attempt(work);
    const entry = entryOf(parts, call, caller, {
      ...described,
      outcome: failure === undefined ? 'ok' : outcomeOf(failure),
      code: failure?.code,
      reason: failure?.reason,
    });
    return {
      plan: { decidedAt, reads: caller.fences, notAfter: authorityEnd(caller), entries: [entry] },
      settle: () => {
        if (failure !== undefined) throw failure;
        return result as T;
      },
    };
  });
}

async function attempt<T>(
  work: () => T | Promise<T>,
): Promise<{ readonly result?: T; readonly failure?: BrokerError }> {
  try {
    return { result: await work() };
  } catch (error) {
    return { failure: BrokerError.from(error) };
  }
}

/** @throws ERR_DENIED unless the operator holds one of the roles without a scope. */
export function requireRole(live: LiveOperator, ...roles: readonly Role[]): void {
  if (!roles.some((role) => holdsEverywhere(live.operator, role))) throw denied('no_role');
}
