import { grantsOfWorkload } from '../../domain/policy/role-binding.ts';
import type { Caller } from '../access/call.ts';
import { refusalOf, type Verdict } from '../access/judge.ts';
import { recordFailure, type Acting } from './operation.ts';
import type { Described } from './refusals.ts';
import { LiveSession } from '../state/session-memory.ts';

/** The target that a request names before its body, and the decision on it. */
export interface TargetJudgement<C extends Caller = Caller> {
  /** Description of a refusal in the audit log; identical to a refusal by the use case. */
  readonly described: Described;
  /** @throws ERR_NOT_FOUND if the target does not belong to the caller */
  readonly judge: (acting: Acting<C>) => Verdict | Promise<Verdict>;
}

/**
 * Decides before the body is read, so that a denied caller cannot make the broker hold or parse a body. The use case decides again when it
 * has the body. @throws ERR_DENIED, ERR_NOT_FOUND, both recorded
 */
export async function judgeTarget<C extends Caller>(
  acting: Acting<C>,
  { described, judge }: TargetJudgement<C>,
): Promise<void> {
  const verdict = await judgeOrRecord(acting, { described, judge });
  if (verdict.allowed) return;
  const { policy } = verdict;
  await recordFailure(acting, [{ ...described, policy } as Described], refusalOf(verdict));
}

async function judgeOrRecord<C extends Caller>(
  acting: Acting<C>,
  { described, judge }: TargetJudgement<C>,
): Promise<Verdict> {
  try {
    return await judge(acting);
  } catch (error) {
    return recordFailure(acting, [described], error);
  }
}

/** Reports whether any allow rule or grant covers the caller. A caller without one gets a small share of memory. */
export function holdsAnything({ parts, caller }: Pick<Acting, 'parts' | 'caller'>): boolean {
  if (!(caller instanceof LiveSession)) return caller.operator.grants.length > 0;
  const { catalog } = parts;
  return (
    caller.view(catalog.policies).allowsAnything ||
    grantsOfWorkload(catalog.all('role-binding'), caller.session.workload).length > 0
  );
}
