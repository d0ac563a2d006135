import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import Driver from 'better-sqlite3';
import { SqliteConnection } from '../../../../src/store/sqlite/sqlite-connection.ts';

/** Files that this process has open and that have no name, as temporary files of SQLite. */
function namelessFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.endsWith(' (deleted)') ? [target] : [];
    } catch {
      return [];
    }
  });
}

describe('a connection to SQLite', () => {
  let directory: string;
  let connection: SqliteConnection;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-sqlite-'));
    const path = join(directory, 'store.db');
    new Driver(path).close();
    connection = SqliteConnection.open(Driver, path);
  });

  afterEach(() => {
    connection.close();
    rmSync(directory, { recursive: true });
  });

  it('needs no temporary file for a large savepoint, and undoes it', () => {
    connection.script('CREATE TABLE "things" ("name" TEXT PRIMARY KEY) STRICT');
    const put = connection.prepare('INSERT INTO "things" VALUES (?)');
    const fill = (prefix: string): void => {
      for (let at = 0; at < 2_000; at += 1)
        put.run(`${(at * 7_919) % 2_000}-${prefix}`.padEnd(200));
    };
    const before = namelessFiles();
    connection.begin();
    fill('kept');
    connection.script('SAVEPOINT plan');
    fill('undone');
    expect(namelessFiles()).toEqual(before);
    connection.script('ROLLBACK TO plan; RELEASE plan');
    connection.commit();
    expect(connection.prepare('SELECT count(*) AS "count" FROM "things"').get()).toEqual({
      count: 2_000,
    });
  });
});
