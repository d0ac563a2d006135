import { afterEach, expect, it } from '@jest/globals';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import Postgrator from 'postgrator';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type Postgres } from '../../kit/backends/postgres.ts';
import { AttackedInstallation } from '../../kit/log/attacked-installation.ts';

const MIGRATIONS = fileURLToPath(
  new URL('../../../migrations/postgres/*.do.*.sql', import.meta.url),
);
const SEALED = ['claims', 'credentials', 'leases', 'rotation_schedules', 'rotations'];

describeWith(['postgres'], 'a PostgreSQL store of an earlier release', ({ postgres }) => {
  const cleanUps: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });

  /** The installation of `test/vectors/stores/<name>` in a database with the tables of its release. MACs do not depend on the database. */
  async function installed(
    name: string,
  ): Promise<{ own: AttackedInstallation; database: pg.Client }> {
    const source = await AttackedInstallation.from(name);
    const { connectionString, database } = await copyOf(source, postgres, cleanUps);
    const directory = await mkdtemp(join(tmpdir(), 'qm-earlier-'));
    const connectionStringFile = join(directory, 'connection');
    await writeFile(connectionStringFile, connectionString, { mode: 0o600 });
    const own = await AttackedInstallation.make(() => ({
      store: { type: 'postgres', connectionStringFile },
    }));
    await cp(source.at('keys'), own.at('keys'), { recursive: true });
    cleanUps.push(
      () => source.remove(),
      () => own.remove(),
      () => rm(directory, { recursive: true }),
    );
    return { own, database };
  }

  it.each(['before-state-digest', 'before-lease-mac'])(
    'is migrated, sealed and served, and opens again unchanged: %s',
    async (name) => {
      const { own, database } = await installed(name);
      expect(await own.unreadyAtStart()).toEqual([]);
      for (const table of SEALED) {
        const { rows } = await database.query(
          `SELECT count(*)::int, count(mac)::int AS sealed FROM ${table}`,
        );
        const [{ count, sealed }] = rows as [{ count: number; sealed: number }];
        expect(count).toBeGreaterThan(0);
        expect({ table, sealed }).toEqual({ table, sealed: count });
      }
      const { rows } = await database.query('SELECT kind, count FROM state_digests');
      const counts = rows.map(
        (row: { kind: string; count: unknown }) => `${row.kind} ${String(row.count)}`,
      );
      expect(counts).toEqual(
        expect.arrayContaining(['credentials 6', 'documents 7', 'rotations 1']),
      );
      expect(await own.unreadyAtStart()).toEqual([]);
    },
  );

  it('keeps its secrets, and opens again unchanged: before-undelete', async () => {
    const { own, database } = await installed('before-undelete');
    expect(await own.unreadyAtStart()).toEqual([]);
    const { rows } = await database.query(
      'SELECT path, current_version::int, destroy_at FROM secrets ORDER BY path',
    );
    expect(rows).toEqual([
      { path: 'app/db', current_version: 2, destroy_at: null },
      { path: 'app/gone', current_version: null, destroy_at: null },
    ]);
    expect(await own.unreadyAtStart()).toEqual([]);
  });

  it.each([
    ['before-root-key-wraps', 0],
    ['before-approvals', 0],
    ['before-attestations', 1],
    ['before-evidence', 1],
    ['before-security-keys', 0],
  ])(
    'keeps its root key and its documents, and opens again unchanged: %s',
    async (name, approvals) => {
      const { own, database } = await installed(name);
      expect(await own.unreadyAtStart()).toEqual([]);
      const { rows } = await database.query(
        `SELECT kind, count::int FROM state_digests WHERE kind IN ('alerts', 'approvals', 'attestations', 'enrolments', 'image_evidence', 'quarantines', 'secret_metadata', 'security_keys', 'wrapped_answers') ORDER BY kind`,
      );
      expect(rows).toEqual([
        { kind: 'alerts', count: 0 },
        { kind: 'approvals', count: approvals },
        { kind: 'attestations', count: 0 },
        { kind: 'enrolments', count: 0 },
        { kind: 'image_evidence', count: 0 },
        { kind: 'quarantines', count: 1 },
        { kind: 'secret_metadata', count: 0 },
        { kind: 'security_keys', count: 0 },
        { kind: 'wrapped_answers', count: 0 },
      ]);
      const wraps = await database.query('SELECT root_key_id FROM root_key_wraps');
      expect(wraps.rows).toHaveLength(1);
      expect(await own.unreadyAtStart()).toEqual([]);
    },
  );

  it('is sealed once: rows without a MAC hold it from then on', async () => {
    const { own, database } = await installed('before-lease-mac');
    expect(await own.unreadyAtStart()).toEqual([]);
    await database.query('DELETE FROM state_digests');
    await database.query('UPDATE credentials SET mac = NULL');
    await database.query('UPDATE log_checkpoints SET state = NULL');
    expect(await own.unreadyAtStart()).toEqual(['ERR_HELD']);
  });
});

/** A new database with the tables of the release of `source`, and its rows. */
async function copyOf(
  source: AttackedInstallation,
  postgres: Postgres,
  cleanUps: (() => Promise<unknown>)[],
): Promise<{ connectionString: string; database: pg.Client }> {
  const { connectionString, drop } = await createDatabase(postgres);
  const database = new pg.Client({ connectionString });
  await database.connect();
  cleanUps.push(drop, () => database.end());
  const versions = source.rows('quaymaster_schema').map(({ version }) => Number(version));
  expect(Math.max(...versions)).toBeLessThan(18);
  const runner = new Postgrator({
    migrationPattern: MIGRATIONS,
    driver: 'pg',
    schemaTable: 'quaymaster_schema',
    newline: 'LF',
    execQuery: async (sql) => ({ rows: (await database.query(sql)).rows as unknown[] }),
  });
  await runner.migrate(String(Math.max(...versions)).padStart(3, '0'));
  const tables = source.rows('sqlite_schema').filter(({ type }) => type === 'table');
  for (const { name } of tables) {
    const table = String(name);
    if (table.startsWith('sqlite_') || table === 'quaymaster_schema') continue;
    for (const row of source.rows(table)) {
      const names = Object.keys(row);
      const columns = names.map((column) => `"${column}"`).join(', ');
      const places = names.map((_, index) => `$${index + 1}`).join(', ');
      const sql = `INSERT INTO "${table}" (${columns}) VALUES (${places})`;
      await database.query(sql, Object.values(row));
    }
  }
  return { connectionString, database };
}
