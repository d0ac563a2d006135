import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  accountOf,
  identitySegment,
  isIdentity,
  parseWorkloadId,
  workloadId,
  workloadOf,
} from '../../../../src/domain/identity/workload.ts';

describe('a claim value as a segment of an identity', () => {
  it.each([
    ['acme/shop', 'acme%2Fshop'],
    ['repo:acme/shop:ref:refs/heads/main', 'repo:acme%2Fshop:ref:refs%2Fheads%2Fmain'],
    ['a+b=c@d', 'a+b=c@d'],
    ['100%2F', '100%252F'],
    ['*', '%2A'],
    ["!~'()", '%21%7E%27%28%29'],
    ['ü', '%C3%BC'],
    ['a b', 'a%20b'],
  ])('encodes %j as %s', (value, segment) => {
    expect(identitySegment(value)).toBe(segment);
    expect(isIdentity([segment])).toBe(true);
  });

  it.each(['', '.', '..', 'a\u0000', 'a\nb', '\u007f', '\ud800'])('refuses %j', (value) => {
    expect(identitySegment(value)).toBeUndefined();
  });

  it('differs for every value, so no claim can name the identity of another', () => {
    const value = fc.string({ unit: fc.constantFrom('a', '/', '%', '2', 'F', '*', '.', ':', 'é') });
    fc.assert(
      fc.property(value, value, (one, other) => {
        const [first, second] = [identitySegment(one), identitySegment(other)];
        return first === undefined || one === other || first !== second;
      }),
    );
  });
});

describe('the name of a workload', () => {
  it.each([
    { cluster: 'github', identity: ['acme', 'shop', 'refs%2Fheads%2Fmain'] },
    { cluster: 'prod', namespace: 'shop', serviceAccount: 'web', serviceAccountUid: '' },
  ])('is parsed into the same workload: %j', (workload) => {
    const account = parseWorkloadId(workloadId(workload));
    expect(account).toEqual(accountOf(workload));
    expect(account && workloadOf(account)).toEqual(workload);
  });

  it.each([
    'ci://github',
    'ci://github/',
    'ci://github//a',
    'ci://github/a/',
    'ci://github/a/../b',
    'ci://github/a*',
    'ci://github/a%2f',
    'ci://github/a%',
    'ci://GitHub/a',
    `ci://github/${'a'.repeat(513)}`,
    `ci://github/${Array.from({ length: 17 }, () => 'a').join('/')}`,
    'ci://github/a\n',
    'k8s://prod//web',
    'k8s://prod/shop/web/more',
    'k8s://prod/shop',
  ])('is refused: %j', (text) => {
    expect(parseWorkloadId(text)).toBeUndefined();
  });
});
