import { judge } from '../../broker/access/judge.ts';
import { judgeTarget, type TargetJudgement } from '../../broker/recording/judge-target.ts';
import type { Caller } from '../../broker/access/call.ts';
import type { Acting } from '../../broker/recording/operation.ts';
import type { Described } from '../../broker/recording/refusals.ts';
import { LiveSession } from '../../broker/state/session-memory.ts';
import { parseSecretPath } from '../../domain/words/names.ts';
import type { Capability } from '../../domain/policy/index.ts';
import type { Operation } from '../contract/access.ts';
import type { Route } from './route.ts';

/** Parameters of a path, as the client wrote them. */
export type Params = Readonly<Record<string, string>>;

/**
 * Decides on the target of a request before its body is read. If the target alone decides nothing, an operator still needs one of the
 * operation's roles in any scope.
 * @throws ERR_DENIED, recorded; ERR_PATH_INVALID, ERR_REQUEST_INVALID
 */
export async function judgeRequest(
  acting: Acting,
  {
    operation,
    route,
  }: { readonly operation: Operation; readonly route: Route<Caller | undefined> },
  params: Params,
): Promise<void> {
  const judgement = route.judge?.(params) ?? judgementByRole(acting.caller, operation);
  if (judgement !== undefined) await judgeTarget(acting, judgement);
}

function judgementByRole(
  caller: Caller,
  { action, roles }: Operation,
): TargetJudgement | undefined {
  if (caller instanceof LiveSession || action === undefined) return undefined;
  const holdsOne = caller.operator.grants.some(({ role }) => roles.includes(role));
  return {
    described: { action } as Described,
    judge: () => (holdsOne ? { allowed: true } : { allowed: false, reason: 'no_role' }),
  };
}

/** The decision on one path that the use case of an operation makes first. */
export function judgePath(
  describe: (path: string) => Described,
  capability: Capability,
): (params: Params) => TargetJudgement {
  return (params) => {
    const path = parseSecretPath(params['path'] ?? '');
    return {
      described: describe(path),
      judge: ({ parts, call, caller }) => judge(parts, call, caller, { capability, path }),
    };
  };
}
