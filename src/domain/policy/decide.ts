import { isSecretPath } from '../names.ts';
import type { CompiledPolicies } from './compiled-policies.ts';
import type { AccessRequest, Decision, ViewRequest } from './decision.ts';
import { PathWalk } from './path-walk.ts';
import { RequestFacts } from './request-facts.ts';
import { RuleOutcome } from './rule-outcome.ts';
import { viewFor } from './workload-view.ts';
import type { WorkloadView } from './workload-view.ts';

/** Default deny; any matching deny wins over every allow. */
export function decideIn(view: WorkloadView, request: ViewRequest): Decision {
  const { capability, path } = request;
  if (!isSecretPath(path)) return { effect: 'deny', reason: 'path_invalid' };
  const outcome = new RuleOutcome(new RequestFacts(request));
  const walk = new PathWalk(path.split('/'), ({ rules }) => {
    for (const rule of rules) {
      if (rule.capabilities.has(capability)) outcome.consider(rule);
    }
  });
  walk.from(view.paths, 0);
  return outcome.decision();
}

/** As {@link decideIn}, for a view made on the spot. */
export function decide(compiled: CompiledPolicies, request: AccessRequest): Decision {
  return decideIn(viewFor(compiled, request.workload), request);
}
