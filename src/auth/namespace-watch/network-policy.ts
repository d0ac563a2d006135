import type { LabelSelector, Requirement } from '../../domain/posture/label-selector.ts';
import { malformed, membersOf } from '../watch/members.ts';

export interface NetworkPolicy {
  readonly namespace: string;
  readonly name: string;
  /** The pods whose egress it limits; undefined for a policy that does not limit egress. */
  readonly egressOf: LabelSelector | undefined;
}

/**
 * Reads the parts of a NetworkPolicy that the broker uses. A selector that Kubernetes does not know selects nothing: a refusal is
 * safe and a gap is not.
 * @throws ERR_PROVIDER_MALFORMED for an object without a name.
 */
export function readNetworkPolicy(object: unknown): NetworkPolicy {
  const { metadata, spec } = membersOf(object);
  const { namespace, name } = membersOf(metadata);
  if (typeof namespace !== 'string' || typeof name !== 'string') {
    throw malformed('not_a_network_policy');
  }
  const { podSelector, policyTypes, egress } = membersOf(spec ?? {});
  // Without policyTypes, a policy limits egress only if it has egress rules.
  const types = Array.isArray(policyTypes) && policyTypes.length > 0 ? policyTypes : undefined;
  const hasRules = Array.isArray(egress) && egress.length > 0;
  const isEgress = types === undefined ? hasRules : types.includes('Egress');
  return { namespace, name, egressOf: isEgress ? selectorOf(podSelector ?? {}) : undefined };
}

const MOST_REQUIREMENTS = 64;
const MOST_VALUES = 256;

function selectorOf(podSelector: unknown): LabelSelector | undefined {
  const { matchLabels = {}, matchExpressions = [] } = membersOf(podSelector);
  if (!Array.isArray(matchExpressions)) return undefined;
  const requirements: readonly unknown[] = [
    ...Object.entries(membersOf(matchLabels)).map(([key, value]) => ({
      key,
      operator: 'In',
      values: [value],
    })),
    ...(matchExpressions as readonly unknown[]),
  ];
  if (requirements.length > MOST_REQUIREMENTS) return undefined;
  const known = requirements.map(requirementOf).filter((each) => each !== undefined);
  return known.length === requirements.length ? { requirements: known } : undefined;
}

const OPERATORS: readonly unknown[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];

function requirementOf(expression: unknown): Requirement | undefined {
  const { key, operator, values = [] } = membersOf(expression);
  if (typeof key !== 'string' || !OPERATORS.includes(operator) || !Array.isArray(values)) {
    return undefined;
  }
  const isText = values.every((value): value is string => typeof value === 'string');
  if (!isText || values.length > MOST_VALUES) return undefined;
  return { key, operator: operator as Requirement['operator'], values };
}
