import type { Recording, Access } from '../state/dependencies.ts';
import { BrokerError } from '../../domain/errors.ts';
import { holdsEverywhere, type Role } from '../../domain/identity/principal.ts';
import { authorityEnd, type Call, type Caller } from '../access/call.ts';
import { denied } from '../access/judge.ts';

import { commitAs, entryOf, isUnrecordable } from './record.ts';
import { refusalEntry, type Described } from './refusals.ts';
import type { Plan } from '../../ports/store.ts';
import type { LiveOperator } from '../state/operator-token-memory.ts';

/** A caller, the request through which it acts, and the parts that its operation needs. */
export interface Acting<C extends Caller = Caller, N = Recording & Access> {
  readonly parts: N;
  readonly call: Call;
  readonly caller: C;
}

/**
 * Runs an operation that only reads, records that it ran (or why not), and then answers. `work` authorizes the caller in its current state.
 * If access is removed before the record is durable, the operation runs again.
 */
export async function recordOperation<C extends Caller, T>(
  acting: Acting<C>,
  described: Described,
  work: (caller: C) => T | Promise<T>,
): Promise<T> {
  const { parts, call, caller: asked } = acting;
  const done = await commitAs(parts, asked, async (decidedAt, caller) => {
    const worked = await attempt(() => work(caller));
    const { failure } = worked;
    const settle = (): typeof worked => worked;
    const planOf = (entry: string | undefined): Plan | undefined =>
      entry === undefined
        ? undefined
        : { decidedAt, reads: caller.fences, notAfter: authorityEnd(caller), entries: [entry] };
    if (failure !== undefined) {
      const plan = (): Plan | undefined =>
        planOf(refusalEntry(parts, { call, caller }, described, failure));
      return { plan, settle };
    }
    return { plan: planOf(entryOf(parts, call, caller, { ...described, outcome: 'ok' })), settle };
  }).catch((error: unknown) => recordFailure(acting, [described], error));
  if (done.failure !== undefined) throw done.failure;
  return done.result as T;
}

/**
 * Records or counts a failure for which no plan committed, once for each requested item, and throws it. After a failed commit nothing can
 * be recorded. If the outcome is unknown, it is not recorded as a failure.
 */
export async function recordFailure(
  { parts, call, caller }: Acting<Caller, Recording>,
  described: readonly Described[],
  error: unknown,
): Promise<never> {
  const failure = BrokerError.from(error);
  if (isUnrecordable(failure)) throw failure;
  const entries = described.flatMap(
    (each) => refusalEntry(parts, { call, caller }, each, failure) ?? [],
  );
  if (entries.length > 0) await parts.store.commit({ entries });
  throw failure;
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

/** @throws ERR_DENIED unless the operator was granted exactly this role without a scope: `admin` does not include it. */
export function requireOwnRole({ operator }: LiveOperator, role: Role): void {
  const holds = operator.grants.some((grant) => grant.role === role && grant.scope.length === 0);
  if (!holds) throw denied('no_role');
}

/** @throws ERR_DENIED unless the operator is an admin without an elevation: an elevation never decides who has rights. */
export function requireOwnAdmin({ own }: LiveOperator): void {
  if (!holdsEverywhere(own, 'admin')) throw denied('no_role');
}

/** @throws ERR_DENIED unless the operator holds one of the roles without a scope. */
export function requireRole(live: LiveOperator, ...roles: readonly Role[]): void {
  if (!roles.some((role) => holdsEverywhere(live.operator, role))) throw denied('no_role');
}
