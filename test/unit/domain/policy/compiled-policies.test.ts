import { describe, it, expect } from '@jest/globals';
import {
  compilePolicies,
  compileSaved,
  decide,
  indexPolicies,
  parsePolicy,
} from '../../../../src/domain/policy/index.ts';
import type { CompiledPolicies, StoredPolicy } from '../../../../src/domain/policy/index.ts';
import { REQUEST, allow, storedPolicy } from '../../../kit/policy/documents.ts';
import { withoutPolicy, withPolicy } from '../../../kit/policy/one-change.ts';

const policyFor = (name: string, paths: readonly string[], subject: object = {}): StoredPolicy =>
  storedPolicy({
    name,
    subjects: [{ clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['*'], ...subject }],
    rules: [allow(paths)],
  });

const mayRead = (compiled: CompiledPolicies, path: string): boolean =>
  decide(compiled, { ...REQUEST, path }).effect === 'allow';

describe('compiled policies', () => {
  it('deny everything without a policy', () => {
    expect(decide(compilePolicies([]), REQUEST)).toEqual({ effect: 'deny', reason: 'no_rule' });
  });

  it('do not change the policies that they were made from', () => {
    const first = compilePolicies([policyFor('a', ['a'])]);
    const second = withPolicy(first, policyFor('b', ['b']));
    const third = withoutPolicy(second, 'a');
    const seen = [first, second, third].map((each) => [mayRead(each, 'a'), mayRead(each, 'b')]);
    expect(seen).toEqual([
      [true, false],
      [true, true],
      [false, true],
    ]);
  });

  it('have another revision after every change', () => {
    const first = compilePolicies([policyFor('a', ['a'])]);
    const again = withPolicy(first, policyFor('a', ['a']));
    const gone = withoutPolicy(again, 'a');
    expect(new Set([first, again, gone].map(({ revision }) => revision)).size).toBe(3);
  });

  it('are the same object if there is nothing to remove', () => {
    const compiled = compilePolicies([policyFor('a', ['a'])]);
    expect(withoutPolicy(compiled, 'b')).toBe(compiled);
  });

  it('drop the subjects of a replaced version', () => {
    const before = compilePolicies([policyFor('a', ['a'], { namespaces: ['pay-*'] })]);
    const after = withPolicy(before, policyFor('a', ['a'], { namespaces: ['other'] }));
    expect([mayRead(before, 'a'), mayRead(after, 'a')]).toEqual([true, false]);
  });

  it('keep nothing of a removed policy', () => {
    const subject = {
      namespaces: ['pay-eu', 'pay-*', '*-eu', '*'],
      serviceAccounts: ['api', 'a*'],
    };
    const empty = withoutPolicy(compilePolicies([policyFor('a', ['a'], subject)]), 'a');
    expect(empty.policies.size).toBe(0);
    expect(empty.subjects.isEmpty).toBe(true);
  });

  it('keep the rules of another policy for the same subject', () => {
    const both = compilePolicies([policyFor('a', ['a']), policyFor('b', ['b'])]);
    const one = withoutPolicy(both, 'a');
    expect([mayRead(one, 'a'), mayRead(one, 'b')]).toEqual([false, true]);
  });

  it('remove a policy whose subjects overlap', () => {
    const names = { clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['*'] };
    const twice = storedPolicy({ subjects: [names, names], rules: [allow(['**'])] });
    expect(withoutPolicy(compilePolicies([twice]), 'policy').subjects.isEmpty).toBe(true);
  });

  it('refuse two policies of one name', () => {
    const policy = policyFor('a', ['a']);
    expect(() => compilePolicies([policy, policy])).toThrow(
      expect.objectContaining({ code: 'ERR_INTERNAL', reason: 'policy_name_twice' }),
    );
  });

  it('refuse a stored policy with a part that does not parse, rather than leave it out', () => {
    const { policy, ...stored } = policyFor('a', ['a']);
    const rules = policy.spec.rules.map((rule) => ({
      ...rule,
      conditions: { timeWindows: [{ from: '00:00', to: '01:00', timeZone: 'Mars/Olympus' }] },
    }));
    const broken = { ...stored, policy: { ...policy, spec: { ...policy.spec, rules } } };
    expect(() => compilePolicies([broken])).toThrow(
      expect.objectContaining({ code: 'ERR_POLICY_INVALID' }),
    );
  });
});

const OTHER = { ...REQUEST.workload, cluster: 'other' };

describe('saved policies', () => {
  const saved = (body: unknown, parsed: string[] = []) =>
    compileSaved({
      name: 'a',
      version: 1,
      body,
      policy: () => {
        parsed.push('a');
        return parsePolicy(body);
      },
    });

  it('decide as compiled ones do, and parse their rules once, when a workload of theirs first asks', () => {
    const { policy } = policyFor('a', ['a']);
    const parsed: string[] = [];
    const compiled = indexPolicies([saved(policy, parsed)]);
    expect(decide(compiled, { ...REQUEST, workload: OTHER }).effect).toBe('deny');
    expect(parsed).toEqual([]);
    expect([mayRead(compiled, 'a'), mayRead(compiled, 'b')]).toEqual([true, false]);
    expect(parsed).toEqual(['a']);
  });

  it('refuse every decision for their workloads if a rule does not parse, and no other', () => {
    const { policy } = policyFor('a', ['a']);
    const broken = { ...policy, spec: { ...policy.spec, rules: [{ effect: 'deny' }] } };
    const allowed = policyFor('b', ['a']);
    const compiled = indexPolicies([
      saved(broken),
      ...compilePolicies([allowed]).policies.values(),
    ]);
    expect(() => decide(compiled, { ...REQUEST, path: 'a' })).toThrow(
      expect.objectContaining({ code: 'ERR_INTERNAL', problems: undefined }),
    );
    expect(decide(compiled, { ...REQUEST, workload: OTHER }).effect).toBe('deny');
  });

  it('refuse subjects that do not parse at once', () => {
    const { policy } = policyFor('a', ['a']);
    const subjects = policy.spec.subjects.map((subject) => ({ ...subject, clusters: ['*'] }));
    const broken = { ...policy, spec: { ...policy.spec, subjects } };
    expect(() => saved(broken)).toThrow(expect.objectContaining({ code: 'ERR_POLICY_INVALID' }));
  });
});
