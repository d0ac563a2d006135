import type { Expectation, KeyOf, TableName, Write } from '../../ports/store.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import { isGuarded } from '../commits/guarded-writes.ts';
import { shapeOf } from '../../ports/tables.ts';

/**
 * Returns the longest run of plans from the start whose checks cannot depend on writes of other plans in the run. The store checks such plans in one
 * round trip and writes them in another. A plan with invalidations ends its run, because it can make the next plan stale. A plan that reads rows to
 * compute MACs or digests forms a run by itself, because it must see earlier writes.
 */
export function independentPlans(batch: readonly PendingPlan[]): readonly PendingPlan[] {
  const written = new Set<string>();
  let length = 0;
  for (const { plan, planned } of batch) {
    const readsRows = isGuarded(planned);
    const isDependent = (plan.expect ?? []).some((expectation) => dependsOn(written, expectation));
    if (length > 0 && (readsRows || isDependent)) break;
    length += 1;
    if (readsRows || (plan.invalidates ?? []).length > 0) break;
    for (const write of plan.writes ?? []) written.add(target(write));
  }
  return batch.slice(0, length);
}

function dependsOn(written: ReadonlySet<string>, { table, key }: Expectation): boolean {
  return written.has(table) || written.has(rowName(table, key));
}

/** The row that a write affects, or the whole table if it may affect any row. */
function target(write: Write): string {
  if ('put' in write) return rowName(write.table, write.put);
  if ('change' in write) return rowName(write.table, write.key);
  return write.table;
}

function rowName(table: TableName, row: object): string {
  const columns = row as KeyOf<TableName> & Readonly<Record<string, unknown>>;
  return JSON.stringify([table, ...shapeOf(table).key.map((column) => columns[column])]);
}
