import pg from 'pg';
import type { StoredEntry } from './store-diff.ts';

/** An entry with the server's time of its commit: microseconds since the epoch. */
export interface CommittedEntry extends StoredEntry {
  readonly committedAt: number;
}

/** The log of a store on a PostgreSQL with `track_commit_timestamp`, of all writers, in the server's commit order. */
export async function commitOrder(connectionString: string): Promise<readonly CommittedEntry[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const { rows } = await client.query<{ entries: Buffer; at: string }>(
      `SELECT "entries", (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000000)::bigint AS "at"
         FROM "audit_batches" ORDER BY "at", "writer", "first_seq"`,
    );
    return rows.flatMap(({ entries, at }) =>
      entries
        .toString()
        .trimEnd()
        .split('\n')
        .map((line) => ({ ...(JSON.parse(line) as StoredEntry), committedAt: Number(at) })),
    );
  } finally {
    await client.end();
  }
}
