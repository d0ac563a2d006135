import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/process/clock.ts';
import type { Store } from '../../../src/ports/store.ts';
import { runMigrations } from '../../../src/store/schema/run-migrations.ts';
import { MIGRATIONS, type MigrationTarget } from '../../../src/store/migrate.ts';
import type { StoreMode } from '../../../src/store/store-deps.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';

describe('migrations', () => {
  let directory: string;
  let path: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-migrate-'));
    path = join(directory, 'store.db');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  const open = (mode: StoreMode = 'development'): Promise<Store> =>
    openSqliteStore(
      { path, ballastBytes: 0 },
      { chain: new FakeAuditChain(), clock: systemClock, mode },
    );
  const make = async (): Promise<void> => (await open()).close();
  const alter = (sql: string): void => {
    const database = new Database(path);
    database.exec(sql);
    database.close();
  };

  it('refuse a store that a newer program has migrated', async () => {
    await make();
    alter(`INSERT INTO quaymaster_schema VALUES (42, 'later', 'x', '2030-01-01');
      UPDATE meta SET value = 'other' WHERE key = 'migrations'`);
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: 'the store has schema 42, this program knows up to 1: run a newer program',
    });
  });

  it('refuse the store of another build, and say what to do', async () => {
    await make();
    alter(`UPDATE quaymaster_schema SET md5 = 'other' WHERE version = 1;
      UPDATE meta SET value = 'other' WHERE key = 'migrations'`);
    await expect(open()).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail:
        'another build wrote the store: a migration that it has run differs from the one in this program. Nothing was changed. Export what you need with the build that wrote it, then remove the store and run "quaymaster init"',
    });
  });

  it('refuse a store that was created for the other mode, before they change it', async () => {
    await make();
    await expect(open('production')).rejects.toMatchObject({
      code: 'ERR_CONFIG_INVALID',
      detail: 'the store was made in development mode and cannot be used in production mode',
    });
    await make();
  });

  it('leave nothing at any interruption, and run completely the next time', async () => {
    const script = readFileSync(
      new URL('../../../migrations/sqlite/001.do.tables.sql', import.meta.url),
      'utf8',
    );
    const statements = script.split(';\n').filter((statement) => statement.trim() !== '');
    for (let cut = 1; cut < statements.length; cut += 1) {
      const database = new Database(path);
      const interrupted: MigrationTarget = {
        driver: 'sqlite3',
        folder: `${MIGRATIONS}sqlite/`,
        findMeta: `SELECT 1 FROM sqlite_schema WHERE name = 'meta'`,
        query: (sql) => {
          const statement = database.prepare(sql);
          if (statement.reader) return Promise.resolve({ rows: statement.all() });
          statement.run();
          return Promise.resolve({ rows: [] });
        },
        script: () => {
          for (const statement of statements.slice(0, cut)) database.exec(statement);
          return Promise.reject(new Error('interrupted'));
        },
      };
      database.exec('BEGIN IMMEDIATE');
      await expect(runMigrations(interrupted, 'development')).rejects.toThrow('interrupted');
      database.close();
      const after = new Database(path);
      expect(after.prepare('SELECT count(*) FROM sqlite_schema').pluck().get()).toBe(0);
      after.close();
    }
    await make();
  });
});
