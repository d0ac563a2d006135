import { BrokerError } from '../../domain/errors.ts';
import type { Change, Outcome } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import {
  isGuarded,
  resolveWrites,
  selectsOf,
  type ResolvedWrites,
} from '../commits/guarded-writes.ts';
import type { PlannedWrites } from '../commits/planned-writes.ts';
import type { DigestRow, RowGuard, StoredRow } from '../guard/row-guard.ts';
import { digestSql } from '../sql/query-sql.ts';
import { SQLITE } from '../sql/sql.ts';
import type { StagedBatch } from '../commits/staged-batch.ts';
import type { SqliteConnection } from './sqlite-connection.ts';
import { isDuplicate, isRefusedRow } from './sqlite-fault.ts';

const PUT_BATCH =
  'INSERT INTO "audit_batches" ("writer", "first_seq", "count", "entries", "head", "signature") VALUES (?, ?, ?, ?, ?, ?)';
const PUT_CHANGE = 'INSERT INTO "changes" ("seq", "kind", "key", "at") VALUES (?, ?, ?, ?)';

/** Runs the plans of a batch inside the open transaction, in order. @throws SqliteError if the whole batch must fail. */
export function runPlans(
  connection: SqliteConnection,
  batch: readonly PendingPlan[],
  staged: StagedBatch,
  guard: RowGuard | undefined,
): void {
  for (const { plan, planned } of batch) {
    if (staged.isStale(plan)) {
      staged.refuse();
      continue;
    }
    try {
      const resolved = resolve(connection, planned, guard);
      const refusal = attempt(connection, planned, resolved);
      if (refusal === undefined) staged.accept(plan, resolved.changes);
      else staged.refuse(refusal);
    } catch (error) {
      // A row has no valid MAC. The plan has written nothing yet, so only this plan fails.
      if (!(error instanceof BrokerError)) throw error;
      staged.refuse(error);
    }
  }
}

/** Checks the rows that the plan affects, and computes their MACs. @throws ERR_CIPHERTEXT_INVALID */
function resolve(
  connection: SqliteConnection,
  planned: PlannedWrites,
  guard: RowGuard | undefined,
): ResolvedWrites {
  if (guard === undefined || !isGuarded(planned)) return { writes: planned.writes, changes: [] };
  const found = selectsOf(planned.writes).map((select) => connection.all(select) as StoredRow[]);
  return resolveWrites(SQLITE, guard, planned.writes, found);
}

/** The stored digests of the rows that a batch changes. */
export function readDigests(
  connection: SqliteConnection,
  kinds: readonly string[],
): readonly (DigestRow | undefined)[] {
  return kinds.map((kind) => connection.get(digestSql(SQLITE, kind)) as DigestRow | undefined);
}

export function putChanges(connection: SqliteConnection, changes: readonly Change[]): void {
  if (changes.length === 0) return;
  const put = connection.prepare(PUT_CHANGE);
  for (const { seq, kind, key, at } of changes) put.run(seq, kind, key, at);
}

export function putBatch(connection: SqliteConnection, row: Tables['audit_batches']): void {
  connection
    .prepare(PUT_BATCH)
    .run(row.writer, row.first_seq, row.count, row.entries, row.head, row.signature);
}

/** @returns why the plan changed nothing; undefined if all of it was written. */
function attempt(
  connection: SqliteConnection,
  { expect }: PlannedWrites,
  { writes }: ResolvedWrites,
): Outcome | BrokerError | undefined {
  for (const [index, expectation] of expect.entries()) {
    const present = connection.get(expectation) !== undefined;
    if (present !== expectation.present) return { status: 'conflict', index };
  }
  if (writes.length === 0) return undefined;
  // SQLite rolls back a single failed statement by itself. A savepoint would add two thirds of the statement's time (measured: 15 µs per login).
  const isSeveral = writes.length > 1;
  if (isSeveral) connection.prepare('SAVEPOINT plan').run();
  try {
    for (const write of writes) connection.run(write);
  } catch (error) {
    if (!isRefusedRow(error)) throw error;
    if (isSeveral) connection.script('ROLLBACK TO plan; RELEASE plan');
    if (isDuplicate(error)) return { status: 'conflict', index: -1 };
    return new BrokerError('ERR_INTERNAL', undefined, { cause: error });
  }
  if (isSeveral) connection.prepare('RELEASE plan').run();
  return undefined;
}
