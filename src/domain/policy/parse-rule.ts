import { isName } from '../words/names.ts';
import { CAPABILITIES } from './access-policy.ts';
import type { Capability, PolicyRule } from './access-policy.ts';
import type { DocumentFields, DocumentNode } from './document-node.ts';
import { parseDuration } from './duration.ts';
import { parseConditions } from './parse-conditions.ts';
import { pathPatternProblem } from './path-pattern.ts';
import { POLICY_LIMITS } from './policy-limits.ts';

export function parseRules(spec: DocumentFields): readonly PolicyRule[] {
  const names = new Set<string>();
  return spec.items('rules', POLICY_LIMITS.rules, (node) => parseRule(node, names));
}

/** `names` of the previous rules: a decision names its rule, so names are unique. */
function parseRule(node: DocumentNode, names: Set<string>): PolicyRule {
  const fields = node.fields({
    required: ['effect', 'paths', 'capabilities'],
    optional: ['name', 'maxLeaseTtl', 'conditions'],
  });
  const effect = fields.text('effect', effectProblem) as PolicyRule['effect'];
  const name = fields.get('name')?.text((text) => nameProblem(text, names));
  const maxLeaseTtl = fields.get('maxLeaseTtl')?.text(durationProblem);
  if (effect === 'deny') fields.get('maxLeaseTtl')?.refuse('has no meaning in a deny');
  const conditions = fields.get('conditions');
  const capabilities = fields.texts('capabilities', CAPABILITIES.length, capabilityProblem);
  return {
    ...(name !== undefined && { name }),
    effect,
    paths: fields.texts('paths', POLICY_LIMITS.paths, pathPatternProblem),
    capabilities: capabilities as readonly Capability[],
    ...(maxLeaseTtl !== undefined && { maxLeaseTtl }),
    ...(conditions && { conditions: parseConditions(conditions, effect) }),
  };
}

function nameProblem(text: string, names: Set<string>): string | undefined {
  if (!isName(text)) return 'must be 1 to 63 of [a-z0-9._-], with a letter or digit at each end';
  if (names.has(text)) return 'is the name of an earlier rule';
  names.add(text);
  return undefined;
}

function effectProblem(text: string): string | undefined {
  return text === 'allow' || text === 'deny' ? undefined : 'must be allow or deny';
}

function capabilityProblem(text: string): string | undefined {
  return (CAPABILITIES as readonly string[]).includes(text)
    ? undefined
    : `must be one of ${CAPABILITIES.join(', ')}`;
}

function durationProblem(text: string): string | undefined {
  const seconds = parseDuration(text);
  return seconds === undefined || seconds > POLICY_LIMITS.leaseTtlSeconds
    ? 'must be a whole number and one of s, m, h and d, from 1s to 365d'
    : undefined;
}
