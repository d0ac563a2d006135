import { describe, expect, it } from '@jest/globals';
import type { Plan } from '../../../../src/ports/store.ts';
import type { PendingPlan } from '../../../../src/store/commits/commit-queue.ts';
import { independentPlans } from '../../../../src/store/postgres/independent-plans.ts';
import { leaseRow } from '../../../kit/fakes/store-rows.ts';

const lengthOf = (...plans: Plan[]): number => {
  const ignore = (): void => undefined;
  const pending: PendingPlan[] = plans.map((plan) => {
    return { plan, planned: { expect: [], writes: [] }, resolve: ignore, reject: ignore };
  });
  return independentPlans(pending).length;
};
const expecting = (id: string): Plan => ({
  expect: [{ table: 'leases', key: { id }, absent: true }],
});
const putting = (id: string): Plan => ({ writes: [{ table: 'leases', put: leaseRow(id) }] });

describe('a wave of plans', () => {
  it('takes all independent plans', () => {
    expect(lengthOf({}, putting('a'), putting('a'), expecting('b'), {})).toBe(5);
    expect(lengthOf(expecting('a'), putting('a'))).toBe(2);
  });

  it('ends before a plan that checks a row written in it', () => {
    expect(lengthOf(putting('a'), expecting('b'), expecting('a'))).toBe(2);
    const change: Plan = {
      writes: [{ table: 'leases', key: { id: 'a' }, change: { cause: 'x' } }],
    };
    expect(lengthOf(change, expecting('a'))).toBe(1);
  });

  it('ends before a check of a table from which any row may have been removed', () => {
    const removal: Plan = { writes: [{ table: 'leases', remove: { path: 'x' } }] };
    expect(lengthOf(removal, putting('b'), expecting('b'))).toBe(2);
    expect(
      lengthOf(removal, { expect: [{ table: 'claims', key: { name: 'c' }, absent: true }] }),
    ).toBe(2);
  });

  it('ends after a plan that invalidates', () => {
    expect(lengthOf({ invalidates: [] }, { invalidates: ['a'] }, {})).toBe(2);
  });

  it('always takes one', () => {
    expect(lengthOf({ ...expecting('a'), ...putting('a') }, expecting('a'))).toBe(1);
  });
});
