import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../../src/process/clock.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';

const WRITABLE = 'PRAGMA writable_schema = ON';

describe('the schema of a SQLite store', () => {
  let directory: string;
  let path: string;

  const differences = async (): Promise<readonly string[]> => {
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    const store = await openSqliteStore({ path, ballastBytes: 0 }, deps);
    await store.close();
    return store.condition.differences;
  };
  const alter = (sql: string): void => {
    const database = new Database(path);
    database.unsafeMode(true);
    database.exec(sql);
    database.close();
  };

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-differences-'));
    path = join(directory, 'store.db');
    expect(await differences()).toEqual([]);
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('has no differences, also after ANALYZE and VACUUM', async () => {
    alter('ANALYZE; VACUUM');
    expect(await differences()).toEqual([]);
  });

  it.each([
    [
      'a trigger that undoes revocations',
      `CREATE TRIGGER "undo" AFTER DELETE ON "operator_tokens" BEGIN
         INSERT INTO "operator_tokens" VALUES (old.id, old.operator, old.operator_uid, old.hash, old.body, old.created_at, old.ends_at, old.mac);
       END`,
      'trigger "undo" on "operator_tokens" is not of the migrations',
    ],
    [
      'a trigger on the table of the migration runner',
      `CREATE TRIGGER "undo" AFTER INSERT ON "quaymaster_schema" BEGIN DELETE FROM "changes"; END`,
      'trigger "undo" on "quaymaster_schema" is not of the migrations',
    ],
    [
      'a view in place of a table',
      `ALTER TABLE "sink_cursors" RENAME TO "cursors";
       CREATE VIEW "sink_cursors" AS SELECT "sink", 0 AS "next_index" FROM "cursors"`,
      'view "sink_cursors" on "sink_cursors" is not of the migrations',
    ],
    [
      'a column more',
      `ALTER TABLE "leases" ADD COLUMN "extra" TEXT`,
      'table "leases" is not as the migrations make it',
    ],
    [
      'a unique index less',
      `DROP INDEX "operator_tokens_hash"`,
      'index "operator_tokens_hash" is missing',
    ],
    [
      'a unique index that is not unique',
      `DROP INDEX "sessions_hash"; CREATE INDEX "sessions_hash" ON "sessions" ("hash")`,
      'index "sessions_hash" is not as the migrations make it',
    ],
    [
      'an index more',
      `CREATE UNIQUE INDEX "one" ON "leases" ("path")`,
      'index "one" on "leases" is not of the migrations',
    ],
    [
      'a table more',
      `CREATE TABLE "shadow" ("id" TEXT)`,
      'table "shadow" on "shadow" is not of the migrations',
    ],
    [
      'a trigger that hides entries',
      `CREATE TRIGGER "hide" AFTER INSERT ON "audit_batches" BEGIN DELETE FROM "audit_batches" WHERE "first_seq" = new."first_seq"; END`,
      'trigger "hide" on "audit_batches" is not of the migrations',
    ],
    [
      'a trigger that keeps leases live',
      `CREATE TRIGGER "keep" AFTER UPDATE ON "leases" BEGIN UPDATE "leases" SET "state" = 'live' WHERE "id" = new."id"; END`,
      'trigger "keep" on "leases" is not of the migrations',
    ],
    [
      'a trigger that forgets changes',
      `CREATE TRIGGER "forget" AFTER INSERT ON "changes" BEGIN DELETE FROM "changes"; END`,
      'trigger "forget" on "changes" is not of the migrations',
    ],
    [
      'a generated column',
      `ALTER TABLE "sessions" ADD COLUMN "twin" TEXT AS ("id") VIRTUAL`,
      'table "sessions" is not as the migrations make it',
    ],
    [
      'another name of a column',
      `ALTER TABLE "leases" RENAME COLUMN "cause" TO "why"`,
      'table "leases" is not as the migrations make it',
    ],
    [
      'a partial index under the name of a whole one',
      `DROP INDEX "sessions_hash"; CREATE UNIQUE INDEX "sessions_hash" ON "sessions" ("hash") WHERE "id" <> 'x'`,
      'index "sessions_hash" is not as the migrations make it',
    ],
    ['a table less', `DROP TABLE "ended_sessions"`, 'table "ended_sessions" is missing'],
    [
      'a default',
      `${WRITABLE}; UPDATE sqlite_schema SET sql = replace(sql, '"state" TEXT NOT NULL', '"state" TEXT NOT NULL DEFAULT ''live''')
       WHERE name = 'leases'`,
      'table "leases" is not as the migrations make it',
    ],
  ])('differs in %s (C11)', async (_, sql, difference) => {
    alter(sql);
    expect(await differences()).toContain(difference);
  });
});
