import type { Caller } from '../call.ts';
import { denied, type Verdict } from './judge.ts';
import { recordFailure, type Acting } from '../recording/operation.ts';
import type { Described } from '../recording/refusals.ts';
import { LiveSession } from '../sessions/session-memory.ts';

/** What a request asks for, as far as its target says, and the decision on that. */
export interface TargetJudgement<C extends Caller = Caller> {
  /** What the log calls a refusal: the same as where the use case refuses. */
  readonly described: Described;
  readonly judge: (acting: Acting<C>) => Verdict;
}

/**
 * Decides before the body is read, so that a caller that is denied cannot make the broker hold or parse one. The use case decides again when it has
 * the body. @throws ERR_DENIED, recorded
 */
export async function judgeTarget<C extends Caller>(
  acting: Acting<C>,
  { described, judge }: TargetJudgement<C>,
): Promise<void> {
  const verdict = judge(acting);
  if (verdict.allowed) return;
  const { policy, reason } = verdict;
  await recordFailure(acting, [{ ...described, policy } as Described], denied(reason));
}

/** Whether any allow rule or any grant speaks for the caller: the share of memory of a caller without one is small. */
export function holdsAnything({ parts, caller }: Pick<Acting, 'parts' | 'caller'>): boolean {
  return caller instanceof LiveSession
    ? caller.view(parts.catalog.policies).allowsAnything
    : caller.operator.grants.length > 0;
}
