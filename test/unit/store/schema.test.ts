import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../src/clock.ts';
import type { ListQuery, TableName } from '../../../src/ports/store.ts';
import { listSql } from '../../../src/store/query-sql.ts';
import { SCHEMA, shapeOf } from '../../../src/ports/tables.ts';
import { SQLITE } from '../../../src/store/sql.ts';
import { openSqliteStore } from '../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';

const TYPES = { TEXT: 'text', INTEGER: 'integer', BLOB: 'bytes' } as const;
const TABLES = Object.keys(SCHEMA) as TableName[];

interface ColumnInfo {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly notnull: number;
  readonly pk: number;
}

describe('the tables of the SQLite migrations', () => {
  let directory: string;
  let database: Database.Database;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'quaymaster-schema-'));
    const path = join(directory, 'store.db');
    const deps = { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' } as const;
    const store = await openSqliteStore({ path, ballastBytes: 0 }, deps);
    await store.close();
    database = new Database(path);
  });

  afterAll(() => {
    database.close();
    rmSync(directory, { recursive: true });
  });

  const columnsOf = (table: string): ColumnInfo[] =>
    database.prepare<[string], ColumnInfo>('SELECT * FROM pragma_table_info(?)').all(table);
  const planOf = <T extends TableName>(table: T, query: ListQuery<T>): string => {
    const { text, values } = listSql(SQLITE, table, query);
    const steps = database.prepare(`EXPLAIN QUERY PLAN ${text}`).all(...values);
    return (steps as { detail: string }[]).map(({ detail }) => detail).join('; ');
  };

  it('are those of the schema and no others, strict, with row ids', () => {
    const made = database
      .prepare<[], { name: string; strict: number; wr: number }>(
        `SELECT name, strict, wr FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite_%'`,
      )
      .all()
      .filter(({ name }) => name !== 'quaymaster_schema');
    expect(made.map(({ name }) => name).sort()).toEqual([...TABLES].sort());
    expect(made.every(({ strict, wr }) => strict === 1 && wr === 0)).toBe(true);
  });

  it.each(TABLES)('have the columns and the key of the schema: %s', (table) => {
    const columns = columnsOf(table);
    const shape = Object.fromEntries(
      columns.map(({ name, type, notnull }) => [name, `${TYPES[type]}${notnull === 1 ? '' : '?'}`]),
    );
    expect(shape).toEqual(shapeOf(table).columns);
    expect(Object.keys(shape)).toEqual(Object.keys(shapeOf(table).columns));
    const key = columns.filter(({ pk }) => pk > 0).sort((a, b) => a.pk - b.pk);
    expect(key.map(({ name }) => name)).toEqual(shapeOf(table).key);
  });

  it('answer the queries of the broker from an index', () => {
    const bytes = new Uint8Array(32);
    const plans = [
      planOf('sessions', { equals: { hash: bytes }, limit: 1 }),
      planOf('sessions', { equals: { cluster: 'c', pod_uid: 'p' }, limit: 1 }),
      planOf('sessions', { upTo: { ends_at: 1 }, orderBy: ['ends_at'], limit: 1 }),
      planOf('leases', { equals: { session_id: 's' }, limit: 1 }),
      planOf('leases', { equals: { cluster: 'c', pod_uid: 'p' }, limit: 1 }),
      planOf('leases', { equals: { workload: 'w', state: 'live' }, limit: 1 }),
      planOf('leases', { startsWith: { path: 'payments/' }, limit: 1 }),
      planOf('leases', {
        equals: { state: 'live' },
        upTo: { ends_at: 1 },
        orderBy: ['ends_at'],
        limit: 1,
      }),
      planOf('leases', { upTo: { purge_at: 1 }, orderBy: ['purge_at'], limit: 1 }),
      planOf('leases', { equals: { mount_uid: 'm' }, limit: 1 }),
      planOf('credentials', { equals: { session_id: 's', idempotency_key: 'k' }, limit: 1 }),
      planOf('credentials', {
        equals: { state: 'revoking' },
        upTo: { next_attempt_at: 1 },
        orderBy: ['next_attempt_at'],
        limit: 1,
      }),
      planOf('rotation_schedules', {
        equals: { active_id: null },
        upTo: { next_run_at: 1 },
        orderBy: ['next_run_at'],
        limit: 1,
      }),
      planOf('rotation_schedules', {
        equals: { active_id: null },
        from: { next_drill_at: 1 },
        orderBy: ['next_drill_at'],
        limit: 1,
      }),
      planOf('rotations', {
        upTo: { next_attempt_at: 1 },
        orderBy: ['next_attempt_at'],
        limit: 1,
      }),
      planOf('credentials', { equals: { lease_id: 'l' }, limit: 1 }),
      planOf('credentials', { equals: { cluster: 'c', pod_uid: 'p' }, limit: 1 }),
      planOf('operator_tokens', { equals: { hash: bytes }, limit: 1 }),
      planOf('operator_tokens', { equals: { operator: 'o' }, limit: 1 }),
      planOf('document_versions', {
        equals: { kind: 'k', name: 'n' },
        orderBy: ['version'],
        limit: 1,
      }),
      planOf('secret_versions', { equals: { root_key_id: 'r' }, limit: 1 }),
      planOf('changes', { from: { seq: 5 }, limit: 1 }),
      planOf('audit_batches', { equals: { writer: 'w' }, from: { first_seq: 1 }, limit: 1 }),
      planOf('log_terms', { equals: { kind: 'path', term: 't' }, limit: 1 }),
      planOf('log_segments', {
        upTo: { first_index: 5 },
        orderBy: ['first_index'],
        descending: true,
        limit: 1,
      }),
    ];
    for (const plan of plans) expect(plan).toMatch(/^SEARCH \w+ USING/);
  });

  it('answer each page of live leases in the order of an index, without a scan of expired ones', () => {
    const [live, after] = [{ state: 'live' } as const, { id: 'l' }];
    const own = { session_id: 's', state: 'live', cause: null } as const;
    const plans = [
      planOf('leases', { equals: { path: 'p', ...live }, after, limit: 500 }),
      planOf('leases', { equals: { path: 'p', kind: 'static', ...live }, after, limit: 500 }),
      planOf('leases', { equals: { ...own, path: 'p' }, after, limit: 500 }),
      planOf('leases', {
        equals: { path: 'p' },
        orderBy: ['path', 'state'],
        after: { path: 'p', ...live, ...after },
        limit: 500,
      }),
      planOf('leases', {
        startsWith: { path: 'p/' },
        orderBy: ['path', 'state'],
        after: { path: 'p/q', ...live, ...after },
        limit: 500,
      }),
      planOf('leases', {
        orderBy: ['path', 'state'],
        after: { path: 'p/q', ...live, ...after },
        limit: 500,
      }),
    ];
    for (const plan of plans) {
      expect(plan).toMatch(/^SEARCH leases USING INDEX leases_(path|session) \(/);
      expect(plan).not.toContain('TEMP B-TREE');
    }
  });

  it('find the live leases of a session, pod or mount without a scan of expired ones', () => {
    const live = { state: 'live' } as const;
    const [session, revoked, pod, mount] = [
      planOf('leases', { equals: { session_id: 's', ...live, cause: null }, limit: 500 }),
      planOf('leases', {
        equals: { session_id: 's', state: 'ended', cause: 'revoked' },
        limit: 500,
      }),
      planOf('leases', { equals: { cluster: 'c', pod_uid: 'p', ...live }, limit: 500 }),
      planOf('leases', { equals: { mount_uid: 'm', ...live }, limit: 500 }),
    ];
    expect(session).toContain('leases_session (session_id=? AND state=? AND cause=?)');
    expect(revoked).toContain('leases_session (session_id=? AND state=? AND cause=?)');
    expect(pod).toContain('leases_pod (cluster=? AND pod_uid=? AND state=?)');
    expect(mount).toContain('leases_mount (mount_uid=? AND state=?)');
  });
});
