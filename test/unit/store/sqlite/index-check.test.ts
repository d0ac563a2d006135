import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../../src/process/clock.ts';
import type { IndexSlice } from '../../../../src/store/opened-store.ts';
import { SqliteIndexCheck } from '../../../../src/store/sqlite/index-check.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import type { SqliteConnection } from '../../../../src/store/sqlite/sqlite-connection.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';

const ROWS = 250;
const PAGE_BYTES = 4096;

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'quaymaster-indexes-'));
  path = join(directory, 'store.db');
  withDatabase((database) => {
    database.exec(`
      CREATE TABLE "first" ("id" TEXT NOT NULL PRIMARY KEY, "path" TEXT, "at" INTEGER) STRICT;
      CREATE INDEX "first_path" ON "first" ("path", "at");
      CREATE INDEX "first_some" ON "first" ("id") WHERE ("path" IS NOT NULL);
      CREATE TABLE "second" ("id" TEXT NOT NULL PRIMARY KEY) STRICT;
    `);
    for (const table of ['first', 'second']) {
      const values = table === 'first' ? '(?, NULL, 1)' : '(?)';
      const put = database.prepare(`INSERT INTO "${table}" VALUES ${values}`);
      database.transaction(() => {
        for (let n = 0; n < ROWS; n += 1) put.run(`${table}-${n}`);
      })();
    }
  });
});
afterEach(() => rmSync(directory, { recursive: true }));

function withDatabase<R>(work: (database: Database.Database) => R): R {
  const database = new Database(path);
  database.pragma('cell_size_check = ON');
  try {
    return work(database);
  } finally {
    database.close();
  }
}

function walk(): readonly IndexSlice[] {
  return withDatabase((database) => {
    const check = new SqliteIndexCheck(() => database as unknown as SqliteConnection);
    check.begin();
    const slices: IndexSlice[] = [];
    for (let slice = check.next(); slice !== undefined; slice = check.next()) slices.push(slice);
    return slices;
  });
}

function damageOf(slices: readonly IndexSlice[]): readonly string[] {
  return slices.flatMap(({ table, damage }) => damage.map((each) => `${table}: ${each}`));
}

function leafOf(name: string): number {
  return withDatabase((database) => {
    const sql = `SELECT "pageno" FROM dbstat WHERE "name" = ? AND "pagetype" = 'leaf' ORDER BY "pageno"`;
    return database.prepare(sql).pluck().get(name) as number;
  });
}

describe('the check of the indexes', () => {
  it('looks up every row of every table, and finds no damage in a sound store', () => {
    const slices = walk();
    expect(damageOf(slices)).toEqual([]);
    expect(slices.reduce((sum, { rows }) => sum + rows, 0)).toBe(2 * ROWS);
    expect(Math.max(...slices.map(({ rows }) => rows))).toBeLessThan(ROWS);
  });

  it('can look up the rows of each table that a store has', async () => {
    rmSync(path);
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    await (await openSqliteStore({ path, ballastBytes: 0 }, deps)).close();
    const slices = walk();
    expect(damageOf(slices)).toEqual([]);
    expect(slices.map(({ table }) => table)).toEqual(expect.arrayContaining(['leases', 'secrets']));
  });

  it.each(['first_path', 'first_some'])('finds a row that the index %s lacks', (index) => {
    withDatabase((database) => {
      database.unsafeMode();
      database.pragma('writable_schema = ON');
      const [schema] = database
        .prepare(`SELECT * FROM sqlite_schema WHERE name = ?`)
        .all(index) as [Record<string, unknown>];
      database.prepare(`DELETE FROM sqlite_schema WHERE name = ?`).run(index);
      database.pragma('writable_schema = RESET');
      database.exec(`INSERT INTO "first" VALUES ('unindexed', 'a/b', 2)`);
      database.pragma('writable_schema = ON');
      database
        .prepare('INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)')
        .run(...Object.values(schema));
      database.pragma('writable_schema = RESET');
    });
    expect(damageOf(walk())).toEqual([`first: index "${index}" lacks 1 of its rows`]);
  });

  it('finds a flipped byte in the key of an index (F31)', () => {
    const page = leafOf('sqlite_autoindex_second_1');
    const bytes = readFileSync(path);
    const key = 'second-10';
    let flips = 0;
    // Unused space of the page may have older copies of the key.
    for (let at = (page - 1) * PAGE_BYTES; ; flips += 1) {
      at = bytes.indexOf(key, at + 1);
      if (at < 0 || at >= page * PAGE_BYTES) break;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
    }
    expect(flips).toBeGreaterThan(0);
    writeFileSync(path, bytes);
    const [found] = damageOf(walk());
    expect(found).toMatch(/^second: index "sqlite_autoindex_second_1" lacks \d+ of its rows$/);
  });

  it('reports an unreadable page and continues with the next table', () => {
    const page = leafOf('first');
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, (page - 1) * PAGE_BYTES, page * PAGE_BYTES));
    const slices = walk();
    expect(damageOf(slices)).toEqual(['first: a page cannot be read']);
    expect(slices.filter(({ table }) => table === 'second')).not.toEqual([]);
  });
});
