import type { Plan } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import type { PendingPlan } from '../commit-queue.ts';
import type { Statement } from '../sql.ts';

/**
 * Inserts entries and checks the fence in one statement, which is its own transaction. FOR SHARE locks the table `fence` in ROW SHARE mode. The server
 * takes the locks of a statement before the snapshot that it runs with, so the statement sees every invalidation that was committed before it got
 * the lock. That holds in READ COMMITTED only, which the session sets. Inserts nothing if there is an invalidation that the broker does not know, or
 * if an authority has expired by the server's clock.
 */
const INSERT = `INSERT INTO "audit_batches" ("writer", "first_seq", "count", "entries", "head", "signature")
SELECT $1::text, $2::bigint, $3::bigint, $4::bytea, $5::bytea, $6::bytea
WHERE NOT EXISTS (SELECT 1 FROM "fence" FOR SHARE)
  AND NOT EXISTS (SELECT 1 FROM "changes" WHERE "seq" > $7::bigint)
  AND floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint < $8::bigint`;

/** Whether every plan only adds entries to the log, as reads do that need no new lease. */
export function onlyRecords(batch: readonly PendingPlan[]): boolean {
  return batch.every(({ plan, planned }) => {
    const { entries = [], invalidates = [] } = plan;
    return (
      entries.length > 0 &&
      invalidates.length === 0 &&
      planned.expect.length === 0 &&
      planned.writes.length === 0
    );
  });
}

/** The statement for the entries of these plans, which were decided on the changes up to `seq`. */
export function recordSql(
  { writer, first_seq, count, entries, head, signature }: Tables['audit_batches'],
  plans: readonly Plan[],
  seq: number,
): Statement {
  const expiry = plans.reduce(
    (earliest, { notAfter = earliest }) => Math.min(earliest, notAfter),
    Number.MAX_SAFE_INTEGER,
  );
  return {
    text: INSERT,
    values: [writer, first_seq, count, entries, head, signature, seq, expiry],
  };
}
