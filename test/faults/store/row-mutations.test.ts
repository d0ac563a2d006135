import { afterAll, beforeAll, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { chmod, copyFile, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { BrokerError } from '../../../src/domain/errors.ts';
import type { TableName } from '../../../src/ports/store.ts';
import { SCHEMA, shapeOf } from '../../../src/store/schema.ts';
import { AttackedInstallation } from '../../kit/attacked-installation.ts';

type Row = Record<string, unknown>;
type Mutation = (database: Database.Database, table: TableName) => boolean;

const STORE = join(import.meta.dirname, '../../vectors/stores/before-state-digest');
let own: AttackedInstallation;

/** A store with rows of most kinds, and an earlier copy of it whose rows can be put back. */
beforeAll(async () => {
  own = await AttackedInstallation.make();
  for (const folder of ['store', 'keys']) await mkdir(own.at(folder), { mode: 0o700 });
  const database = gunzipSync(await readFile(join(STORE, 'quaymaster.db.gz')));
  await writeFile(own.at('store/quaymaster.db'), database, { mode: 0o600 });
  for (const name of ['kek', 'log.pem', 'checkpoint']) {
    await copyFile(join(STORE, name), own.at(`keys/${name}`));
    await chmod(own.at(`keys/${name}`), 0o600);
  }
  await own.unreadyAtStart();
  await cp(own.at('store'), own.at('earlier'), { recursive: true });
  await own.init();
  await own.unreadyAtStart();
  await cp(own.at('store'), own.at('good'), { recursive: true });
  await cp(own.at('keys'), own.at('good-keys'), { recursive: true });
});
afterAll(() => own.remove());

/** Columns that no two rows may share cannot be exchanged one row after the other. */
const UNIQUE = ['hash', 'idempotency_key', 'id', 'writer', 'first_seq'];

const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');

function rowsOf(
  database: Database.Database,
  table: TableName,
): readonly (Row & { place: number })[] {
  const sql = `SELECT rowid AS place, * FROM "${table}" ORDER BY ${quoted(shapeOf(table).key)}`;
  return database.prepare(sql).all() as (Row & { place: number })[];
}

function flipped(value: unknown): unknown {
  if (typeof value === 'string') return `${value.slice(0, -1)}${value.endsWith('x') ? 'y' : 'x'}`;
  if (typeof value === 'number') return value + 1;
  if (!(value instanceof Uint8Array)) return value;
  const copy = Buffer.from(value);
  copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
  return copy;
}

function replaceRow(database: Database.Database, table: TableName, row: Row): void {
  const names = Object.keys(row).filter((name) => name !== 'place');
  const places = names.map(() => '?').join(', ');
  const sql = `INSERT OR REPLACE INTO "${table}" (${quoted(names)}) VALUES (${places})`;
  database.prepare(sql).run(...names.map((name) => row[name]));
}

const MUTATIONS: Readonly<Record<string, Mutation>> = {
  delete: (database, table) => {
    const row = rowsOf(database, table).at(-1);
    if (row !== undefined)
      database.prepare(`DELETE FROM "${table}" WHERE rowid = ?`).run(row.place);
    return row !== undefined;
  },
  replay: (database, table) => {
    const earlier = new Database(own.at('earlier/quaymaster.db'), { readonly: true });
    const now = new Set(rowsOf(database, table).map((row) => JSON.stringify({ ...row, place: 0 })));
    const changed = rowsOf(earlier, table).filter(
      (row) => !now.has(JSON.stringify({ ...row, place: 0 })),
    );
    earlier.close();
    for (const row of changed) replaceRow(database, table, row);
    return changed.length > 0;
  },
  swap: (database, table) => {
    const [first, second] = rowsOf(database, table);
    if (first === undefined || second === undefined) return false;
    const { key } = shapeOf(table);
    const names = Object.keys(first).filter((name) => name !== 'place' && !key.includes(name));
    const sets = names.filter((name) => !UNIQUE.includes(name));
    if (sets.length === 0) return false;
    const sql = `UPDATE OR IGNORE "${table}" SET ${sets.map((name) => `"${name}" = ?`).join(', ')} WHERE rowid = ?`;
    database.prepare(sql).run(...sets.map((name) => second[name]), first.place);
    database.prepare(sql).run(...sets.map((name) => first[name]), second.place);
    return true;
  },
};

function flip(column: string): Mutation {
  return (database, table) => {
    const row = rowsOf(database, table).findLast((each) => each[column] !== null);
    if (row === undefined) return false;
    database
      .prepare(`UPDATE OR IGNORE "${table}" SET "${column}" = ? WHERE rowid = ?`)
      .run(flipped(row[column]), row.place);
    return true;
  };
}

/** Every column flipped, and the other mutations. */
function mutationsOf(table: TableName): readonly (readonly [name: string, mutate: Mutation])[] {
  const flips = Object.keys(shapeOf(table).columns).map((column) => {
    return [`flip ${column}`, flip(column)] as const;
  });
  return [...flips, ...Object.entries(MUTATIONS)];
}

/** Why a mutation that the start does not notice takes nothing and gives nothing; by table, with the mutations that it is said of. */
const HARMLESS: Readonly<Partial<Record<TableName, readonly [mutations: RegExp, why: string]>>> = {
  meta: [
    /^replay$/,
    'an earlier anchor of the log is at most the last checkpoint, which it confirms',
  ],
  root_keys: [/^flip created_at$/, 'the time of a key orders a list and decides nothing'],
  document_versions: [
    /./,
    'history for people: its MAC is checked when it is shown, and no decision reads it',
  ],
  leases: [
    /./,
    'grants nothing without a session, a policy and a sealed credential; SECURITY.md says what remains',
  ],
  rotation_schedules: [/^delete$/, 'grants nothing: the path is not rotated; SECURITY.md says so'],
  rotations: [/^delete$/, 'grants nothing: the rotation ends; SECURITY.md says so'],
  rotation_steps: [/./, 'history for people: no step is decided by it'],
  acknowledgements: [/./, 'what holders say is not trusted: SECURITY.md says so'],
  claims: [/./, 'grants nothing: the work is late, or done twice under expectations'],
  changes: [/./, 'a start reads no earlier changes; while a broker runs, a gap stops its commits'],
  audit_batches: [
    /./,
    'entries are proven against the signed root when they are read, and the log is verified',
  ],
  log_segments: [/./, 'says where entries are; what is found there is proven'],
  log_terms: [/./, 'the search index is not signed; SECURITY.md says so'],
  log_checkpoints: [/./, 'the checkpoint file and the anchor are compared with the newest'],
  sink_cursors: [/./, 'a cursor that is not ours is refused when its sink is followed'],
};

async function outcomeOf(table: TableName, mutate: Mutation): Promise<string> {
  await own.restoreStore('good');
  await rm(own.at('keys'), { recursive: true });
  await cp(own.at('good-keys'), own.at('keys'), { recursive: true });
  const done: boolean[] = [];
  own.sql((database) => void done.push(mutate(database, table)));
  if (!done.includes(true)) return 'no such row';
  try {
    return await outcomeOfStart(table);
  } catch (error) {
    return `does not start: ${BrokerError.from(error).code}`;
  }
}

/** Whether the broker is held when it starts, or when the rows are read. */
async function outcomeOfStart(table: TableName): Promise<string> {
  const broker = await own.open();
  try {
    if (broker.unready().length > 0) return 'held';
    const isRead = await broker.parts.store.list(table, { limit: 100 }).then(
      () => true,
      () => false,
    );
    return isRead ? 'served' : `refused when read: ${broker.unready().join()}`;
  } finally {
    await broker.close('test');
  }
}

it('detects each mutation of a stored row, or says why it is harmless', async () => {
  const counts: Record<string, number> = {};
  const unexplained: string[] = [];
  for (const table of Object.keys(SCHEMA) as TableName[]) {
    const [harmless, why] = HARMLESS[table] ?? [];
    for (const [name, mutate] of mutationsOf(table)) {
      const outcome = await outcomeOf(table, mutate);
      const isExplained = outcome !== 'served' || harmless?.test(name) === true;
      if (!isExplained) unexplained.push(`${table}: ${name}`);
      const counted = outcome === 'served' ? `harmless, ${table}: ${why ?? ''}` : outcome;
      counts[counted] = (counts[counted] ?? 0) + 1;
    }
  }
  process.stdout.write(`mutations of stored rows: ${JSON.stringify(counts, undefined, 2)}\n`);
  expect(unexplained).toEqual([]);
  expect(counts['held']).toBeGreaterThan(50);
}, 600_000);
