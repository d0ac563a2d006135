import { describe, it, expect } from '@jest/globals';
import {
  compilePolicies,
  isPolicyWithin,
  mayListUnder,
  policyScope,
  viewFor,
} from '../../../../src/domain/policy/index.ts';
import type { AccessPolicy } from '../../../../src/domain/policy/index.ts';
import { REQUEST, allow, deny, storedPolicy } from '../../../kit/policy/documents.ts';

const policyOn = (...paths: readonly string[]): AccessPolicy =>
  storedPolicy({ rules: [allow(paths), deny(paths.slice(0, 1))] }).policy;

describe('the scope of a policy', () => {
  it('is the literal start of each pattern, once', () => {
    const policy = policyOn('a/b', 'a/b/*', 'a/b/**/c', 'a/x-*', 'a/${namespace}/y', '**', '*/a');
    expect(policyScope(policy)).toEqual(['a/b', 'a', '']);
  });

  it.each([
    ['payments', true],
    ['payments/eu', true],
    ['payments/eu/**', true],
    ['payments/**', true],
    ['payments/${namespace}', true],
    ['payments2', false],
    ['payments*', false],
    ['payments-*/x', false],
    ['paym', false],
    ['*/eu', false],
    ['**', false],
    ['${cluster}/x', false],
    ['${cluster}', false],
  ])('lets an editor of payments save %s: %s', (pattern, isWithin) => {
    expect(isPolicyWithin(policyOn(pattern), 'payments')).toBe(isWithin);
  });

  it('is within another only if every pattern is, denies included', () => {
    expect(isPolicyWithin(policyOn('payments/a', 'other'), 'payments')).toBe(false);
    const denies = storedPolicy({ rules: [allow(['payments/a']), deny(['**'])] }).policy;
    expect(isPolicyWithin(denies, 'payments')).toBe(false);
  });

  it('is never within the empty prefix', () => {
    expect(isPolicyWithin(policyOn('payments'), '')).toBe(false);
    expect(isPolicyWithin(policyOn('**'), '')).toBe(false);
  });
});

describe('mayListUnder', () => {
  const list = { capabilities: ['list'] };
  const viewOf = (...rules: readonly unknown[]) =>
    viewFor(compilePolicies([storedPolicy({ rules })]), REQUEST.workload);

  it.each([
    ['a', true],
    ['a/b', true],
    ['a/b/c', true],
    ['a/b/c/d', false],
    ['a/x', false],
    ['b', false],
    ['deep', true],
    ['deep/x/y/z', true],
    ['any/pay-eu', true],
    ['any/pay-us', false],
  ])('decides for %s: %s', (prefix, may) => {
    const view = viewOf(allow(['a/b/c', 'deep/**/z', 'any/${namespace}/*'], list), allow(['b/**']));
    expect(mayListUnder(view, prefix)).toBe(may);
  });

  it('is false everywhere for a caller that may only read, or is only denied', () => {
    const view = viewOf(allow(['**']), deny(['**'], list));
    expect([mayListUnder(view), mayListUnder(view, 'a')]).toEqual([false, false]);
  });

  it('is true without a prefix for a caller that may list something', () => {
    expect(mayListUnder(viewOf(allow(['a/b'], list)))).toBe(true);
  });

  it('is false under an invalid path', () => {
    const view = viewOf(allow(['**'], list));
    for (const prefix of ['', '/', 'a/', '..', 'a/*'])
      expect(mayListUnder(view, prefix)).toBe(false);
  });
});
