import { setImmediate as loopTurn } from 'node:timers/promises';
import type { Client } from 'pg';
import type { ColumnValue, TableName } from '../../ports/store.ts';
import { SCHEMA, shapeOf } from '../../ports/tables.ts';
import { BrokerError } from '../../domain/errors.ts';
import { STAMPS } from '../schema/run-migrations.ts';
import { createSqliteFile } from '../sqlite/open-sqlite-store.ts';
import { SqliteConnection } from '../sqlite/sqlite-connection.ts';
import type { StoreMode } from '../store-deps.ts';

type Row = readonly ColumnValue[];

/** Rows of one step: a step must not block requests, and rows of the log may be large. */
const FIRST_ROWS = 16;
const MOST_ROWS = 1_024;
const STEP_BYTES = 262_144;
/** The session writes to a file between its statements, so that it may be idle for longer than a session of commits. */
const IDLE_MS = 60_000;

/** Claims are of running processes: in a restored store they would keep the work from the brokers that are there. */
const TABLES = (Object.keys(SCHEMA) as TableName[]).filter((table) => table !== 'claims');
/** Finds the table that every store has. */
export const FIND_META =
  "SELECT 1 FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'meta'";

/** PostgreSQL's arrays of the three types of a column. */
const ARRAYS = { text: 'text[]', integer: 'bigint[]', bytes: 'bytea[]' } as const;

/**
 * Copies one snapshot of the database to a new SQLite file, which is a store of the same content: both databases have the same tables, values and MACs.
 * @throws the error of the server, of SQLite or of the file system
 */
export async function copyToSqlite(
  client: Client,
  { path, mode }: { readonly path: string; readonly mode: StoreMode },
  progress: (rows: number) => void,
): Promise<void> {
  // Its loss is the failure of the next statement.
  client.on('error', () => undefined);
  let file: SqliteConnection | undefined;
  try {
    file = await createSqliteFile(path, mode);
    file.omitSyncs();
    await client.connect();
    await client.query(
      `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL idle_in_transaction_session_timeout = ${IDLE_MS}`,
    );
    let copied = 0;
    for (const table of TABLES)
      for await (const rows of readTable(client, table)) {
        insertRows(file, table, rows);
        progress((copied += rows.length));
        await loopTurn();
      }
  } finally {
    file?.close();
    await client.end().catch(() => undefined);
  }
}

/**
 * Fills an empty database with the content of a store in a SQLite file, in one transaction.
 * @throws ERR_CONFLICT if the database contains an installation; otherwise the error of the server
 */
export async function copyFromSqlite(client: Client, path: string): Promise<void> {
  const { default: Driver } = await import('better-sqlite3');
  client.on('error', () => undefined);
  const file = SqliteConnection.open(Driver, path);
  try {
    await client.connect();
    await client.query('BEGIN; LOCK TABLE "meta" IN EXCLUSIVE MODE');
    await requireEmpty(client);
    for (const table of TABLES) {
      await client.query(`DELETE FROM "${table}"${contentOf(table)}`);
      for (const rows of steps(fileRows(file, table))) await sendRows(client, table, rows);
    }
    await client.query('COMMIT');
  } finally {
    file.close();
    await client.end().catch(() => undefined);
  }
}

/** Deletes the content of a store, in one transaction. */
export async function deleteRows(client: Client): Promise<void> {
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('BEGIN');
    for (const table of [...TABLES, 'claims'] as const)
      await client.query(`DELETE FROM "${table}"${contentOf(table)}`);
    await client.query('COMMIT');
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Checks, without a change, that a database has no content: it may also lack the tables. @throws ERR_CONFLICT */
export async function requireNoStore(client: Client): Promise<void> {
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query(FIND_META);
    if (rowCount !== 0) await requireEmpty(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** @throws ERR_CONFLICT: a restore never replaces what a database has */
async function requireEmpty(client: Client): Promise<void> {
  const { rowCount } = await client.query(`SELECT 1 FROM "meta"${contentOf('meta')} LIMIT 1`);
  if (rowCount === 0) return;
  throw new BrokerError(
    'ERR_CONFLICT',
    'the database contains an installation, and nothing was changed there: create an empty database, and let the connection string name it',
  );
}

/** The condition for rows that are content. */
function contentOf(table: TableName): string {
  return table === 'meta'
    ? ` WHERE "key" NOT IN (${STAMPS.map((key) => `'${key}'`).join(', ')})`
    : '';
}

function columnsOf(table: TableName): readonly string[] {
  return Object.keys(shapeOf(table).columns);
}

function quoted(columns: readonly string[]): string {
  return columns.map((column) => `"${column}"`).join(', ');
}

function selectAll(table: TableName): string {
  return `SELECT ${quoted(columnsOf(table))} FROM "${table}"${contentOf(table)}`;
}

async function* readTable(client: Client, table: TableName): AsyncGenerator<readonly Row[]> {
  await client.query(`DECLARE "copied" NO SCROLL CURSOR FOR ${selectAll(table)}`);
  for (let limit = FIRST_ROWS; ;) {
    const text = `FETCH FORWARD ${limit} FROM "copied"`;
    const { rows } = await client.query<ColumnValue[]>({ text, rowMode: 'array' });
    if (rows.length > 0) yield rows;
    if (rows.length < limit) break;
    limit = nextLimit(limit, rows);
  }
  await client.query('CLOSE "copied"');
}

function insertRows(file: SqliteConnection, table: TableName, rows: readonly Row[]): void {
  const columns = columnsOf(table);
  const places = columns.map(() => '?').join(', ');
  const insert = file.prepare(`INSERT INTO "${table}" (${quoted(columns)}) VALUES (${places})`);
  file.begin();
  for (const row of rows) insert.run(...row);
  file.commit();
}

function fileRows(file: SqliteConnection, table: TableName): Iterable<Row> {
  return file.prepare(selectAll(table)).raw().iterate() as Iterable<Row>;
}

function* steps(rows: Iterable<Row>): Generator<readonly Row[]> {
  let step: Row[] = [];
  let limit = FIRST_ROWS;
  for (const row of rows) {
    if (step.push(row) < limit) continue;
    yield step;
    limit = nextLimit(limit, step);
    step = [];
  }
  if (step.length > 0) yield step;
}

async function sendRows(client: Client, table: TableName, rows: readonly Row[]): Promise<void> {
  const columns = columnsOf(table);
  const arrays = columns.map((column, at) => {
    const type = String(shapeOf(table).columns[column]).replace('?', '') as keyof typeof ARRAYS;
    return `$${at + 1}::${ARRAYS[type]}`;
  });
  await client.query(
    `INSERT INTO "${table}" (${quoted(columns)}) SELECT * FROM unnest(${arrays.join(', ')})`,
    columns.map((_, at) => rows.map((row) => row[at])),
  );
}

function nextLimit(limit: number, rows: readonly Row[]): number {
  let bytes = 0;
  for (const row of rows)
    for (const value of row)
      if (typeof value === 'string' || value instanceof Uint8Array) bytes += value.length;
  return bytes > STEP_BYTES ? Math.max(1, Math.floor(limit / 4)) : Math.min(2 * limit, MOST_ROWS);
}
