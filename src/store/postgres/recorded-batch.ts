import type { ColumnValue, TableName } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { shapeOf } from '../../ports/tables.ts';
import type { PendingPlan } from '../commits/commit-queue.ts';
import { isGuarded } from '../commits/guarded-writes.ts';
import { insertText } from '../sql/write-sql.ts';

/** The types of the schema's columns, without the mark of a column that may be null. */
const TYPES: Readonly<Record<string, string>> = { text: 'text', integer: 'bigint', bytes: 'bytea' };

/**
 * Checks the fence. The statement that has this query is its own transaction. FOR SHARE locks the table `fence` in ROW SHARE mode. The server takes
 * the locks of a statement before the snapshot that it runs with, so the statement sees every invalidation that was committed before it got the
 * lock. That holds in READ COMMITTED only, which the session sets. The query has no row if there is an invalidation that the broker does not know,
 * or if an authority has expired by the server's clock. Then the statement writes nothing.
 */
const IS_CURRENT = `"is_current" AS MATERIALIZED (SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM "fence" FOR SHARE)
  AND NOT EXISTS (SELECT 1 FROM "changes" WHERE "seq" > $7::bigint)
  AND floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint < $8::bigint)`;
const RECORD = `INSERT INTO "audit_batches" ("writer", "first_seq", "count", "entries", "head", "signature")
SELECT $1::text, $2::bigint, $3::bigint, $4::bytea, $5::bytea, $6::bytea FROM "is_current"`;
const PARAMETERS = 8;

/** A statement with an array for each column of the rows that it puts. */
export interface RecordStatement {
  readonly text: string;
  readonly values: readonly (ColumnValue | readonly ColumnValue[])[];
}

/** The values of one row, in the order of the schema. */
type Row = readonly ColumnValue[];

/** Reports whether every plan only adds entries to the log and puts rows that no other row depends on, as reads and logins do. */
export function onlyAdds(batch: readonly PendingPlan[]): boolean {
  return batch.every(({ plan: { entries = [], invalidates = [], writes = [] }, planned }) => {
    const isUnconditional = invalidates.length === 0 && planned.expect.length === 0;
    const isPut = writes.every((write) => 'put' in write) && !isGuarded(planned);
    return entries.length > 0 && isUnconditional && isPut;
  });
}

/** The statement for the entries and rows of these plans, which were decided on the changes up to `seq`. */
export function recordSql(
  { writer, first_seq, count, entries, head, signature }: Tables['audit_batches'],
  batch: readonly PendingPlan[],
  seq: number,
): RecordStatement {
  const expiry = batch.reduce(
    (earliest, { plan: { notAfter = earliest } }) => Math.min(earliest, notAfter),
    Number.MAX_SAFE_INTEGER,
  );
  const puts = [...rowsByTable(batch)].toSorted(([left], [right]) => (left < right ? -1 : 1));
  const columns = puts.flatMap(([table, rows]) =>
    Object.keys(shapeOf(table).columns).map((_, column) => rows.map((row) => row[column] ?? null)),
  );
  return {
    text: textFor(puts.map(([table]) => table)),
    values: [writer, first_seq, count, entries, head, signature, seq, expiry, ...columns],
  };
}

function rowsByTable(batch: readonly PendingPlan[]): ReadonlyMap<TableName, readonly Row[]> {
  const byTable = new Map<TableName, Row[]>();
  for (const { plan, planned } of batch) {
    planned.writes.forEach(({ values }, index) => {
      const table = plan.writes?.[index]?.table;
      if (table === undefined) return;
      const rows = byTable.get(table);
      if (rows === undefined) byTable.set(table, [values]);
      else rows.push(values);
    });
  }
  return byTable;
}

/** One text for each set of tables, so the server plans few statements. */
const texts = new Map<string, string>();

function textFor(tables: readonly TableName[]): string {
  const name = tables.join(' ');
  const text = texts.get(name) ?? makeText(tables);
  texts.set(name, text);
  return text;
}

function makeText(tables: readonly TableName[]): string {
  let parameter = PARAMETERS;
  const puts = tables.map((table) => {
    const arrays = Object.values(shapeOf(table).columns).map((type) => {
      parameter += 1;
      return `$${parameter}::${TYPES[type.replace('?', '')]}[]`;
    });
    const source = `SELECT "rows".* FROM "is_current", unnest(${arrays.join(', ')}) AS "rows"`;
    return `"put_${table}" AS (${insertText(table, source, false)})`;
  });
  return `WITH ${[IS_CURRENT, ...puts].join(', ')} ${RECORD}`;
}
