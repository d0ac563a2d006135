import Database from 'better-sqlite3';
import pg from 'pg';
import { splitEntries } from '../../../src/audit/records/entry.ts';
import { decodeSegment } from '../../../src/audit/records/segment.ts';
import type { Tables } from '../../../src/ports/tables.ts';
import type { StoredEntry } from '../store/store-diff.ts';

/** A batch is in exactly one of the two tables. */
interface Stored {
  readonly batches: readonly Pick<Tables['audit_batches'], 'entries'>[];
  readonly segments: readonly {
    readonly first_index: number | string;
    readonly count: number | string;
    readonly body: Buffer;
  }[];
}

const BATCHES = 'SELECT "entries" FROM "audit_batches"';
const SEGMENTS = 'SELECT "first_index", "count", "body" FROM "audit_segments"';

/** Reads the entries in the file of a closed store; the entries of one boot are in order. */
export function storedLog(path: string): readonly StoredEntry[] {
  const database = new Database(path, { readonly: true });
  try {
    return entriesOf({
      batches: database.prepare(BATCHES).all() as Stored['batches'],
      segments: database.prepare(SEGMENTS).all() as Stored['segments'],
    });
  } finally {
    database.close();
  }
}

/** Reads the entries in a PostgreSQL database; the entries of one boot are in order. */
export async function postgresLog(connectionString: string): Promise<readonly StoredEntry[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    // Both tables in one snapshot.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const { rows: batches } = await client.query<Stored['batches'][number]>(BATCHES);
    const { rows: segments } = await client.query<Stored['segments'][number]>(SEGMENTS);
    return entriesOf({ batches, segments });
  } finally {
    await client.end();
  }
}

function entriesOf({ batches, segments }: Stored): readonly StoredEntry[] {
  const texts = batches.map(({ entries }) => entries);
  for (const { first_index, count, body } of segments) {
    // The driver for PostgreSQL gives integers as text.
    const decoded = decodeSegment({ first_index: +first_index, count: +count, body });
    if (decoded === undefined) throw new Error(`the segment at ${first_index} cannot be read`);
    texts.push(...decoded.map(({ row }) => row.entries));
  }
  return texts
    .flatMap((text) => splitEntries(text))
    .map((line) => JSON.parse(line) as StoredEntry)
    .sort((one, other) =>
      one['writer'] === other['writer']
        ? Number(one['seq']) - Number(other['seq'])
        : String(one['writer']).localeCompare(String(other['writer'])),
    );
}

/** The result of the file's integrity check. */
export function integrityOf(path: string): unknown {
  const database = new Database(path, { readonly: true });
  try {
    return database.pragma('integrity_check', { simple: true });
  } finally {
    database.close();
  }
}
