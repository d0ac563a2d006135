import { describe, expect, it } from '@jest/globals';
import { compilePolicies, decide } from '../../../../src/domain/policy/index.ts';
import type { BrokerError } from '../../../../src/domain/errors.ts';
import type { Workload } from '../../../../src/domain/identity/workload.ts';
import { allow, deny, REQUEST, storedPolicy } from '../../../kit/policy/documents.ts';
import { withoutPolicy } from '../../../kit/policy/one-change.ts';

const subject = (...identities: readonly string[]): object => ({
  clusters: ['github'],
  identities,
});
const job = (...identity: readonly string[]): Workload => ({ cluster: 'github', identity });

function effect(subjects: readonly object[], workload: Workload, rules = [allow(['**'])]): string {
  const policies = compilePolicies([storedPolicy({ subjects, rules })]);
  return decide(policies, { ...REQUEST, workload, podLabels: undefined }).effect;
}

describe('identities of a policy', () => {
  it.each([
    ['acme/shop/production', job('acme', 'shop', 'production'), 'allow'],
    ['acme/shop/production', job('acme', 'shop', 'staging'), 'deny'],
    ['acme/shop/production', job('acme', 'shop'), 'deny'],
    ['acme/shop', job('acme', 'shop', 'production'), 'deny'],
    ['acme/*/production', job('acme', 'shop', 'production'), 'allow'],
    ['acme/*/production', job('evil', 'shop', 'production'), 'deny'],
    ['acme/*', job('acme', 'shop', 'production'), 'deny'],
    ['acme/shop/refs%2Fheads%2F*', job('acme', 'shop', 'refs%2Fheads%2Fmain'), 'allow'],
    ['acme/shop/refs%2Fheads%2F*', job('acme', 'shop', 'refs%2Ftags%2Fv1'), 'deny'],
    ['acme/shop', { ...job('acme', 'shop'), cluster: 'other' }, 'deny'],
    ['acme/shop', job('Acme', 'shop'), 'deny'],
  ])('%s: %j is decided as %s', (identity, workload, expected) => {
    expect(effect([subject(identity)], workload)).toBe(expected);
  });

  it('do not match service accounts, and namespaces do not match identities', () => {
    const names = { namespaces: ['*'], serviceAccounts: ['*'] };
    expect(effect([{ clusters: ['github'], ...names }], job('acme', 'shop'))).toBe('deny');
    expect(effect([{ clusters: ['github'], ...names }], job('shop'))).toBe('deny');
    const account = { ...REQUEST.workload, cluster: 'github' };
    const own = subject(`${account.namespace}/${account.serviceAccount}`);
    expect(effect([own], account)).toBe('deny');
    expect(effect([own, { clusters: ['github'], ...names }], account)).toBe('allow');
  });

  it('have no namespace for a path: an allow drops out, and a deny is widened', () => {
    const workload = job('acme', 'shop');
    const own = [subject('acme/shop')];
    expect(effect(own, workload, [allow(['payments/${namespace}'])])).toBe('deny');
    expect(effect(own, workload, [allow(['payments/${serviceAccount}'])])).toBe('deny');
    expect(effect(own, workload, [allow(['**'])])).toBe('allow');
    expect(effect(own, workload, [allow(['**']), deny(['payments/${namespace}'])])).toBe('deny');
  });

  it('leave nothing in the index when their policy is removed', () => {
    const stored = storedPolicy({ subjects: [subject('a/b', 'a/*/c')], rules: [allow(['**'])] });
    expect(withoutPolicy(compilePolicies([stored]), 'policy').subjects.isEmpty).toBe(true);
  });

  it.each([
    ['a star in the first segment', subject('*/shop'), '/identities/0'],
    ['a star in the first segment beside text', subject('acme*/shop'), '/identities/0'],
    ['a deep star', subject('acme/**'), '/identities/0'],
    ['five stars', subject('acme/*a*a*a*a*'), '/identities/0'],
    ['an empty segment', subject('acme//shop'), '/identities/0'],
    ['a parent', subject('acme/../shop'), '/identities/0'],
    ['a slash encoded in lower case', subject('acme/refs%2fheads'), '/identities/0'],
    ['a variable', subject('acme/${cluster}'), '/identities/0'],
    ['a name of a workload', subject('ci://github/acme'), '/identities/0'],
    ['none at all', subject(), '/identities'],
    ['a glob as cluster', { clusters: ['*'], identities: ['acme'] }, '/clusters/0'],
    ['namespaces too', { ...subject('acme'), namespaces: ['*'] }, '/namespaces'],
    ['pod labels', { ...subject('acme'), podLabels: { app: 'x' } }, '/podLabels'],
  ])('are refused with %s, at its place', (_what, wrong, pointer) => {
    let problems: unknown;
    try {
      storedPolicy({ subjects: [wrong], rules: [allow(['**'])] });
    } catch (error) {
      problems = (error as BrokerError).problems?.map((problem) => problem.pointer);
    }
    expect(problems).toEqual([`/spec/subjects/0${pointer}`]);
  });
});
