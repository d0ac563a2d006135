import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Database from 'better-sqlite3';
import { systemClock } from '../../../../src/process/clock.ts';
import type { Query, QuerySpec, TableName } from '../../../../src/ports/store.ts';
import { listSql, PENDING_WRITERS } from '../../../../src/store/sql/query-sql.ts';
import { LEASES, QUERIES, SESSIONS } from '../../../../src/ports/queries.ts';
import { SCHEMA, shapeOf, type Tables } from '../../../../src/ports/tables.ts';
import { SQLITE } from '../../../../src/store/sql/sql.ts';
import { openSqliteStore } from '../../../../src/store/sqlite/open-sqlite-store.ts';
import { FakeAuditChain } from '../../../kit/fakes/fake-audit-chain.ts';

const TYPES = { TEXT: 'text', INTEGER: 'integer', BLOB: 'bytes' } as const;
const TABLES = Object.keys(SCHEMA) as TableName[];
/** Each query by its name. */
const NAMED = Object.entries(QUERIES).flatMap(([group, queries]) =>
  Object.entries(queries).map(
    ([name, { spec }]) => [`${group}.${name}`, spec as QuerySpec<TableName>] as const,
  ),
);

interface ColumnInfo {
  readonly name: string;
  readonly type: keyof typeof TYPES;
  readonly notnull: number;
  readonly pk: number;
}

/** Queries without a filter, which read a table page by page, in the order of an index. */
const UNFILTERED = [
  'LEASES.matching',
  'SESSIONS.matching',
  'LOG.newestCheckpoints',
  'LOG.newestBatch',
  'ALERTS.newest',
];
/** Queries whose tables are read whole: a few root keys, and one checkpoint for each minute of the log. */
const SORTED = ['ROOT_KEYS.byAge', 'LOG.checkpointsFrom', 'LOG.checkpointsBefore'];

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
  const planOf = <T extends TableName>(query: Query<T>, after?: Partial<Tables[T]>): string => {
    const { text, values } = listSql(SQLITE, query, { limit: 500, after });
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

  it.each(NAMED)('answer the query %s from an index', (name, spec) => {
    const plan = planOf(sampleOf(spec));
    if (SORTED.includes(name)) expect(plan).toContain('USE TEMP B-TREE');
    else if (UNFILTERED.includes(name)) expect(plan).toMatch(/^SCAN \w+( USING INDEX \w+)?$/);
    else expect(plan).toMatch(/^SEARCH \w+ USING/);
  });

  it('answer which writers are pending by searches of indexes without the entries', () => {
    const steps = database.prepare<[], { detail: string }>(`EXPLAIN QUERY PLAN ${PENDING_WRITERS}`);
    const reads = steps.all().filter(({ detail }) => /audit_batches|log_segments/.test(detail));
    expect(reads).toHaveLength(4);
    for (const { detail } of reads)
      expect(detail).toMatch(/^SEARCH (audit_batches|log_segments) USING COVERING INDEX/);
  });

  it.each<[string, Query<TableName>]>([
    ['leases of a path', matchingPath('p')],
    ['sessions of a cluster', SESSIONS.matching('c', undefined, undefined, undefined, undefined)],
    ['sessions of an account', SESSIONS.matching('c', 'n', 's', undefined, undefined)],
    ['sessions of a pod', SESSIONS.matching('c', undefined, undefined, 'p', undefined)],
    ['one session', SESSIONS.matching(undefined, undefined, undefined, undefined, 's')],
  ])('answer a filter by an index: %s', (_, query) => {
    expect(planOf(query)).toMatch(/^SEARCH \w+ USING/);
  });

  it('answer each page of live leases in the order of an index, without a scan of expired ones (L11)', () => {
    const after = { path: 'p/q', state: 'live', id: 'l' } as const;
    const plans = [
      planOf(LEASES.liveOfPath('p'), after),
      planOf(LEASES.liveStaticOfPath('p'), after),
      planOf(LEASES.liveOfSessionAndPath('s', 'p'), after),
      planOf(matchingPath('p'), { ...after, path: 'p' }),
      planOf(LEASES.matchingBelow(undefined, undefined, undefined, undefined, 'p/'), after),
      planOf(matchingPath(undefined), after),
    ];
    for (const plan of plans) {
      expect(plan).toMatch(/^SEARCH leases USING INDEX leases_(path|session) \(/);
      expect(plan).not.toContain('TEMP B-TREE');
    }
  });

  it('find the live leases of a session or pod without a scan of expired ones', () => {
    const byCause = 'leases_session (session_id=? AND state=? AND cause=?)';
    expect(planOf(LEASES.liveOfSession('s'))).toContain(byCause);
    expect(planOf(LEASES.revokedStaticOfSession('s'))).toContain(byCause);
    expect(planOf(LEASES.liveOfPod('c', 'p'))).toContain(
      'leases_pod (cluster=? AND pod_uid=? AND state=?)',
    );
  });

  it('find the leases of a path that a rotation ended without a scan of other ended ones', () => {
    const after = { id: 'l' } as const;
    const plan = planOf(LEASES.supersededOfPath('p'), after);
    expect(plan).toContain('leases_cause (path=? AND cause=?');
    expect(plan).not.toContain('TEMP B-TREE');
  });
});

function matchingPath(path: string | undefined): Query<'leases'> {
  return LEASES.matching(undefined, undefined, undefined, undefined, path);
}

/** The query with values of the types of its columns, and without its optional conditions. */
function sampleOf(spec: QuerySpec<TableName>): Query<TableName> {
  const samples = { text: 't', integer: 1, bytes: new Uint8Array(32) };
  const values = spec.terms.map(({ column, isOptional }) => {
    const type = (shapeOf(spec.table).columns[column] ?? '').replace('?', '');
    return isOptional ? undefined : samples[type as keyof typeof samples];
  });
  return { spec, values };
}
