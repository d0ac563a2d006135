import { isSecretPath } from '../../../src/domain/words/names.ts';
import { accountOf } from '../../../src/domain/identity/workload.ts';
import type { AccessRequest, PolicyRule, StoredPolicy } from '../../../src/domain/policy/index.ts';

/** Matching by definition: tries every way to give segments to `**` and characters to `*`. It is slow, and independent of the trie. */
export function globMatchesByDefinition(pattern: string, text: string): boolean {
  const [first] = pattern;
  if (first === undefined) return text === '';
  const below = pattern.slice(1);
  if (first !== '*') return text.startsWith(first) && globMatchesByDefinition(below, text.slice(1));
  return Array.from({ length: text.length + 1 }, (_, taken) => text.slice(taken)).some((rest) =>
    globMatchesByDefinition(below, rest),
  );
}

function pathMatchesByDefinition(pattern: readonly string[], path: readonly string[]): boolean {
  const [segment, ...below] = pattern;
  if (segment === undefined) return path.length === 0;
  if (segment === '**') {
    return Array.from({ length: path.length + 1 }, (_, taken) => path.slice(taken)).some((rest) =>
      pathMatchesByDefinition(below, rest),
    );
  }
  const [first, ...rest] = path;
  return (
    first !== undefined &&
    globMatchesByDefinition(segment, first) &&
    pathMatchesByDefinition(below, rest)
  );
}

/**
 * The effect from checking every policy in turn. For documents without labels, pod variables, `sourceCidrs` and `timeWindows`.
 */
export function effectByDefinition(
  policies: readonly StoredPolicy[],
  request: AccessRequest,
): { readonly effect: 'allow' | 'deny'; readonly maxLeaseTtl: string | undefined } {
  const matching = policies.flatMap(({ policy }) =>
    policy.spec.subjects.some((subject) => isAmong(subject, request))
      ? policy.spec.rules.filter((rule) => ruleMatches(rule, request))
      : [],
  );
  const isAllowed =
    isSecretPath(request.path) &&
    matching.some((rule) => rule.effect === 'allow') &&
    matching.every((rule) => rule.effect === 'allow');
  const minutes = matching.flatMap((rule) => rule.maxLeaseTtl ?? []).sort(byMinutes);
  return isAllowed
    ? { effect: 'allow', maxLeaseTtl: minutes[0] }
    : { effect: 'deny', maxLeaseTtl: undefined };
}

const byMinutes = (a: string, b: string): number => Number.parseInt(a) - Number.parseInt(b);

function isAmong(
  subject: StoredPolicy['policy']['spec']['subjects'][number],
  { workload }: AccessRequest,
): boolean {
  const matches = (globs: readonly string[], name: string): boolean =>
    globs.some((glob) => globMatchesByDefinition(glob, name));
  if ('identities' in subject || 'identity' in workload) return false;
  return (
    subject.clusters.includes(workload.cluster) &&
    matches(subject.namespaces, workload.namespace) &&
    matches(subject.serviceAccounts, workload.serviceAccount)
  );
}

function ruleMatches(rule: PolicyRule, request: AccessRequest): boolean {
  const { namespace, serviceAccount } = accountOf(request.workload);
  return (
    rule.capabilities.includes(request.capability) &&
    isDeliveryMet(rule, request) &&
    rule.paths.some((pattern) => {
      const filled = pattern
        .replaceAll('${namespace}', namespace)
        .replaceAll('${serviceAccount}', serviceAccount);
      return pathMatchesByDefinition(filled.split('/'), request.path.split('/'));
    })
  );
}

/**
 * An allow that requires encrypted answers matches only if the encryption is known. A deny of answers in the clear spares only
 * answers that are known to be encrypted.
 */
function isDeliveryMet({ effect, conditions }: PolicyRule, { sealed }: AccessRequest): boolean {
  if (conditions?.sealedDelivery === undefined) return true;
  return effect === 'allow' ? sealed === true : sealed !== true;
}
