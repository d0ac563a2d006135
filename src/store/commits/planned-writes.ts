import type { Expectation, Plan, Write } from '../../ports/store.ts';
import { checkedText, misuse } from '../sql/column-value.ts';
import { shapeOf } from '../../ports/tables.ts';
import { guardedWrite, readsRows, putWithMac, type PlannedWrite } from './guarded-writes.ts';
import type { RowGuard } from '../guard/row-guard.ts';
import type { Dialect, Statement } from '../sql/sql.ts';
import { expectationSql, writeSql } from '../sql/write-sql.ts';

/** A plan's checks and writes as statements. They are built and validated before the plan joins a batch, so that a bad plan cannot fail the batch. */
export interface PlannedWrites {
  readonly expect: readonly PlannedExpectation[];
  readonly writes: readonly PlannedWrite[];
}

export interface PlannedExpectation extends Statement {
  /** True if the statement must select a row, false if it must select none. */
  readonly present: boolean;
}

const NOTHING: PlannedWrites = { expect: [], writes: [] };

/**
 * Builds the statements of a plan. `guard` adds MACs and digests to rows; a store opened without the root keys has no guard.
 * @throws ERR_REQUEST_INVALID for text that one of the databases cannot hold.
 * @throws ERR_INTERNAL for a write that no schema allows.
 * @throws ERR_SEALED for a row that needs a MAC if the broker has erased its keys.
 */
export function planWrites(dialect: Dialect, plan: Plan, guard?: RowGuard): PlannedWrites {
  for (const entry of plan.entries ?? []) if (!entry.isWellFormed()) checkedText(entry);
  for (const fenceKey of plan.invalidates ?? []) checkedText(fenceKey);
  const expect = plan.expect ?? [];
  const writes = plan.writes ?? [];
  if (expect.length === 0 && writes.length === 0) return NOTHING;
  const guarding = guard && { guard, readsRows: writes.some(readsRows) };
  return {
    expect: expect.map((one) => ({ ...expectationSql(dialect, one), present: 'match' in one })),
    writes: writes.map((one) => planWrite(dialect, one, { expect, guarding })),
  };
}

interface PlanContext {
  readonly expect: readonly Expectation[];
  readonly guarding:
    | {
        readonly guard: RowGuard;
        /** True if at least one write of the plan depends on current rows. The store then computes the MACs of all guarded rows after it has read these. */
        readonly readsRows: boolean;
      }
    | undefined;
}

function planWrite(
  dialect: Dialect,
  write: Write,
  { expect, guarding }: PlanContext,
): PlannedWrite {
  if (write.table === 'changes') throw misuse('changes are written by invalidations only');
  const index = 'put' in write ? expect.findIndex((one) => isAbsenceOf(one, write)) : -1;
  const absence = index === -1 ? undefined : index;
  const fresh = absence !== undefined;
  const unguarded = { absence, guarded: undefined };
  if (guarding === undefined) return { ...writeSql(dialect, write, fresh), ...unguarded };
  // A read that issues a new lease takes this path, so that its plan remains one statement in a batch of many.
  if (!guarding.readsRows)
    return { ...writeSql(dialect, putWithMac(guarding.guard, write), fresh), ...unguarded };
  const guarded = guardedWrite(dialect, write, fresh);
  return { ...writeSql(dialect, write, fresh), absence, guarded };
}

function isAbsenceOf(expectation: Expectation, write: Write & { readonly put: object }): boolean {
  if (!('absent' in expectation) || expectation.table !== write.table) return false;
  const key = expectation.key as Readonly<Record<string, unknown>>;
  const row = write.put as Readonly<Record<string, unknown>>;
  return shapeOf(write.table).key.every((column) => key[column] === row[column]);
}
