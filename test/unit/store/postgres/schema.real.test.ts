import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../../../src/process/clock.ts';
import type { TableName } from '../../../../src/ports/store.ts';
import { openPostgresStore } from '../../../../src/store/postgres/open-postgres-store.ts';
import { SCHEMA, shapeOf } from '../../../../src/ports/tables.ts';
import { describeWith } from '../../../kit/backends/backends.ts';
import type { TestDatabase } from '../../../kit/backends/postgres.ts';
import { createDatabase } from '../../../kit/backends/postgres.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';

const TYPES: Readonly<Record<string, string>> = { text: 'text', bigint: 'integer', bytea: 'bytes' };
const TABLES = Object.keys(SCHEMA) as TableName[];

describeWith(['postgres'], 'the tables of the PostgreSQL migrations', ({ postgres }) => {
  let database: TestDatabase;
  let client: pg.Client;

  beforeAll(async () => {
    database = await createDatabase(postgres);
    const { connectionString } = database;
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    const store = await openPostgresStore({ connectionString, poolSize: 1 }, deps);
    await store.close();
    client = new pg.Client({ connectionString });
    await client.connect();
  });

  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  it('are those of the schema and no others', async () => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_name <> 'quaymaster_schema'`,
    );
    expect(rows.map(({ name }) => name).sort()).toEqual([...TABLES].sort());
  });

  it.each(TABLES)(
    'have the columns and the key of the schema, and text in byte order: %s',
    async (table) => {
      const columns = await client.query<{
        name: string;
        type: string;
        nullable: string;
        collation: string | null;
      }>(
        `SELECT column_name AS name, data_type AS type, is_nullable AS nullable, collation_name AS collation
       FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position`,
        [table],
      );
      const shape = Object.fromEntries(
        columns.rows.map(({ name, type, nullable }) => [
          name,
          `${TYPES[type] ?? type}${nullable === 'YES' ? '?' : ''}`,
        ]),
      );
      expect(shape).toEqual(shapeOf(table).columns);
      for (const { type, collation } of columns.rows) {
        if (type === 'text') expect(collation).toBe('C');
      }
      const key = await client.query<{ name: string; constraint: string }>(
        `SELECT column_name AS name, constraint_name AS constraint FROM information_schema.key_column_usage
       WHERE table_name = $1 AND constraint_name = $2 ORDER BY ordinal_position`,
        [table, `${table}_pkey`],
      );
      expect(key.rows.map(({ name }) => name)).toEqual(shapeOf(table).key);
    },
  );

  it('have the indexes of the SQLite migrations', () => {
    const named = (dialect: string): string[] => {
      const folder = new URL(`../../../../migrations/${dialect}/`, import.meta.url);
      const sql = readdirSync(folder)
        .sort()
        .map((file) => readFileSync(new URL(file, folder), 'utf8'))
        .join('\n');
      return [...sql.matchAll(/CREATE (UNIQUE )?INDEX "(\w+)" ON "(\w+)" \((.*)\)/g)].map(
        ([, unique = '', name = '', table = '', columns = '']) =>
          `${unique}${name} ${table} ${columns.replaceAll(' NULLS FIRST', '')}`,
      );
    };
    expect(named('postgres')).toEqual(named('sqlite'));
    expect(named('sqlite').length).toBeGreaterThan(20);
  });
});
