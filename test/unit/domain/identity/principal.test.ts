import { describe, expect, it } from '@jest/globals';
import {
  holdsEverywhere,
  holdsFor,
  meetGrants,
  ROLES,
  type Grant,
  type Operator,
} from '../../../../src/domain/identity/principal.ts';

const PREFIXES = ['a', 'a/x', 'a/x/1', 'a/y', 'b', 'ab'];
const PATHS = ['a', 'a/x', 'a/x/1', 'a/x/1/deep', 'a/y/2', 'b/1', 'ab/1', 'c'];

/** Numbers below a bound, the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
}

function grants(next: (below: number) => number): readonly Grant[] {
  return Array.from({ length: next(4) }, () => {
    const role = ROLES[next(ROLES.length)]!;
    const scope = Array.from({ length: next(3) }, () => PREFIXES[next(PREFIXES.length)]!);
    return { role, scope: role === 'admin' ? [] : scope };
  });
}

const operator = (own: readonly Grant[]) => ({ grants: own }) as unknown as Operator;

describe('the rights that two lists of grants have in common', () => {
  it('are those that each list gives alone, for every role and path (20,000 pairs)', () => {
    const next = numbers(7);
    const wrong: unknown[] = [];
    for (let n = 0; n < 20_000; n += 1) {
      const [one, other] = [grants(next), grants(next)];
      const both = operator(meetGrants(one, other));
      const each = [operator(one), operator(other)];
      const role = ROLES[next(ROLES.length)]!;
      const path = PATHS[next(PATHS.length)]!;
      const has = [holdsFor(both, role, path), holdsEverywhere(both, 'auditor')];
      const should = [
        each.every((own) => holdsFor(own, role, path)),
        each.every((own) => holdsEverywhere(own, 'auditor')),
      ];
      if (has[0] !== should[0] || has[1] !== should[1])
        wrong.push({ one, other, role, path, has, both: both.grants });
    }
    expect(wrong).toEqual([]);
  });

  it('stay as they are written if nothing changes', () => {
    const own: readonly Grant[] = [
      { role: 'admin', scope: [] },
      { role: 'policy-editor', scope: ['a'] },
    ];
    expect(meetGrants(own, own)).toEqual(own);
  });
});
