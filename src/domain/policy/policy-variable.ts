import { isPathSegment } from '../words/names.ts';
import type { Workload } from '../identity/workload.ts';

const POLICY_VARIABLES = [
  'cluster',
  'namespace',
  'serviceAccount',
  'podName',
  'podUid',
  'nodeName',
] as const;
export type PolicyVariable = (typeof POLICY_VARIABLES)[number];

/** Variables that differ between pods of one service account. */
export const POD_VARIABLES: ReadonlySet<PolicyVariable> = new Set([
  'podName',
  'podUid',
  'nodeName',
]);

/** Values of the variables; a variable without a usable value is absent. */
export type VariableValues = ReadonlyMap<PolicyVariable, string>;

export function isPolicyVariable(name: string): name is PolicyVariable {
  return (POLICY_VARIABLES as readonly string[]).includes(name);
}

/**
 * Verified facts only, each exactly one valid path segment: `*`, `..`, `a/b` and `${x}` are refused, because a claim could otherwise rewrite the
 * pattern around it (GHSA-59w7-v8rr-pr4p, CVE-2021-42135).
 */
export function variableValues(workload: Workload): VariableValues {
  const account = 'identity' in workload ? undefined : workload;
  const facts: readonly (readonly [PolicyVariable, string | undefined])[] = [
    ['cluster', workload.cluster],
    ['namespace', account?.namespace],
    ['serviceAccount', account?.serviceAccount],
    ['podName', workload.pod?.name],
    ['podUid', workload.pod?.uid],
    ['nodeName', workload.node?.name],
  ];
  const values = new Map<PolicyVariable, string>();
  for (const [variable, fact] of facts) {
    if (fact !== undefined && isPathSegment(fact)) values.set(variable, fact);
  }
  return values;
}
