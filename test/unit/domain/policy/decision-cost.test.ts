import { describe, it, expect } from '@jest/globals';
import { compilePolicies, decideIn, viewFor } from '../../../../src/domain/policy/index.ts';
import { countSteps } from '../../../kit/policy/count-steps.ts';
import type { CompiledPolicies, StoredPolicy } from '../../../../src/domain/policy/index.ts';
import {
  ALL_WORKLOADS,
  EVERYTHING,
  REQUEST,
  allow,
  deny,
  storedPolicy,
} from '../../../kit/policy/documents.ts';
import { withoutPolicy, withPolicy } from '../../../kit/policy/one-change.ts';

const OWN: readonly StoredPolicy[] = [
  storedPolicy({ name: 'own', rules: [allow(['payments/**'], { capabilities: EVERYTHING })] }),
  storedPolicy({
    name: 'own-glob',
    subjects: [{ clusters: ['prod'], namespaces: ['pay-*'], serviceAccounts: ['*pi'] }],
    rules: [deny(['payments/${namespace}/root']), allow(['payments/d*'])],
  }),
];

const TEMPLATES = [
  { clusters: ['prod'], namespaces: ['team-#'], serviceAccounts: ['*'] },
  { clusters: ['prod'], namespaces: ['team-#-*'], serviceAccounts: ['*'] },
  { clusters: ['prod'], namespaces: ['*-team-#'], serviceAccounts: ['*'] },
  { clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['account-#'] },
  { clusters: ['prod'], namespaces: ['pay-*'], serviceAccounts: ['account-#-*'] },
  { clusters: ['cluster-#'], namespaces: ['*'], serviceAccounts: ['*'] },
];

/** `count` policies for others, over the same paths, a sixth by each way of naming a subject. */
function strangers(count: number): readonly StoredPolicy[] {
  return Array.from({ length: count }, (_, index) => {
    const template = JSON.stringify(TEMPLATES[index % TEMPLATES.length]);
    return storedPolicy({
      name: `stranger-${index}`,
      subjects: [JSON.parse(template.replaceAll('#', String(index)))],
      rules: [allow(['payments/**', 'payments/*', `payments/d${index}`]), deny(['**/x/**'])],
    });
  });
}

function costsOf(compiled: CompiledPolicies): { view: number; decision: number } {
  const view = viewFor(compiled, REQUEST.workload);
  return {
    view: countSteps(() => viewFor(compiled, REQUEST.workload)),
    decision: countSteps(() => decideIn(view, REQUEST)),
  };
}

describe('a decision over 10,000 policies', () => {
  const few = compilePolicies([...OWN, ...strangers(8)]);
  const many = compilePolicies([...OWN, ...strangers(9_998)]);

  it('visits as many places and rules as one over 10, the view included', () => {
    expect(few.policies.size).toBe(10);
    expect(many.policies.size).toBe(10_000);
    expect(costsOf(many)).toEqual(costsOf(few));
    expect(costsOf(many)).toEqual({ view: 20, decision: 8 });
  });

  it('is the same decision', () => {
    expect(decideIn(viewFor(many, REQUEST.workload), REQUEST)).toEqual(
      decideIn(viewFor(few, REQUEST.workload), REQUEST),
    );
  });

  it('costs the same after one of them changes', () => {
    const changed = withPolicy(withoutPolicy(many, 'stranger-5'), strangers(1)[0]!);
    expect(costsOf(changed)).toEqual(costsOf(few));
  });

  it('compiles no other policy for a change', () => {
    const changed = withPolicy(many, { ...strangers(1)[0]!, version: 2 });
    const recompiled = [...changed.policies].filter(
      ([name, policy]) => many.policies.get(name) !== policy,
    );
    expect(recompiled.map(([name]) => name)).toEqual(['stranger-0']);
  });
});

describe('P11: hostile patterns', () => {
  const path = Array.from({ length: 16 }, () => 'a'.repeat(31)).join('/');

  it('cost places times segments at most, however many stars they have (P11)', () => {
    const paths = Array.from({ length: 50 }, (_, n) => `**/a*a*a*a*/**/${'*a'.repeat(4)}/**/b${n}`);
    const rules = Array.from({ length: 100 }, () => allow(paths));
    const compiled = compilePolicies([storedPolicy({ subjects: [ALL_WORKLOADS], rules })]);
    const view = viewFor(compiled, REQUEST.workload);
    expect(decideIn(view, { ...REQUEST, path }).effect).toBe('deny');
    const steps = countSteps(() => decideIn(view, { ...REQUEST, path }));
    expect(steps).toBeLessThan(17 * 7 * 2);
  });

  it('are not tried on a path that is too long', () => {
    const view = viewFor(
      compilePolicies([storedPolicy({ rules: [allow(['**'])] })]),
      REQUEST.workload,
    );
    const long = { ...REQUEST, path: 'a'.repeat(4_096) };
    expect(decideIn(view, long)).toEqual({ effect: 'deny', reason: 'path_invalid' });
    expect(countSteps(() => decideIn(view, long))).toBe(0);
  });
});
