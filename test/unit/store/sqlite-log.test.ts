import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import type { OpenedStore } from '../../../src/store/index.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

const COMMITS = 200;

let directory: string;
let path: string;
let clock: HandClock;
let store: OpenedStore;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'quaymaster-log-'));
  path = join(directory, 'store', 'store.db');
  clock = new HandClock();
  const deps = { chain: new FakeAuditChain(), clock, mode: 'development' } as const;
  store = await openSqliteStore({ path, ballastBytes: 0 }, deps);
});
afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

async function commit(plans: number): Promise<void> {
  for (let count = 0; count < COMMITS; count += 1) {
    await Promise.all(Array.from({ length: plans }, () => store.commit({ entries: ['{}'] })));
  }
}

/** Batches in the database file, without those that are only in the write-ahead log. */
function copied(): number {
  const copy = join(directory, 'copy.db');
  copyFileSync(path, copy);
  const database = new Database(copy);
  const hasTable = `SELECT count(*) FROM "sqlite_schema" WHERE "name" = 'audit_batches'`;
  const isThere = database.prepare(hasTable).pluck().get() === 1;
  const count = isThere
    ? database.prepare(`SELECT count(*) FROM "audit_batches"`).pluck().get()
    : 0;
  database.close();
  return count as number;
}

describe('the write-ahead log of a store on SQLite', () => {
  it('is copied back a second after enough small commits', async () => {
    await commit(1);
    expect(copied()).toBe(0);
    clock.advance(1_000);
    expect(copied()).toBe(COMMITS);
  });

  it('is left to SQLite while many plans share a commit', async () => {
    await commit(5);
    clock.advance(1_000);
    expect(copied()).toBe(0);
  });
});
