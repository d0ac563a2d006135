import { afterEach, beforeEach, expect, it } from '@jest/globals';
import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import type { Outcome, Store, TableName } from '../../../src/ports/store.ts';
import { openPostgresStore } from '../../../src/store/postgres/open-postgres-store.ts';
import { SCHEMA } from '../../../src/ports/tables.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { TestDatabase } from '../../kit/backends/postgres.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import { FakeAuditChain } from '../../kit/fakes/fake-audit-chain.ts';

const ADVISORY_KEYS = [0x71756179, 0x7175616d, 0, 1, 2];
const MODES = ['ACCESS SHARE', 'ROW SHARE', 'SHARE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE'];

describeWith(['postgres'], 'a role without any grant that may connect', ({ postgres }) => {
  const role = uniqueName('outsider').replaceAll('-', '_');
  let database: TestDatabase;
  let admin: pg.Client;
  let outsider: pg.Client;
  let stores: Store[];

  const open = async (): Promise<Store> => {
    const store = await openPostgresStore(
      { connectionString: database.connectionString, poolSize: 2 },
      { chain: new FakeAuditChain(), clock: systemClock, mode: 'development' },
    );
    stores.push(store);
    return store;
  };
  const record = (store: Store, invalidates: readonly string[] = []): Promise<Outcome> =>
    store.commit({ entries: ['{}'], invalidates });
  const refusal = (sql: string): Promise<string> =>
    outsider.query(sql).then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );

  beforeEach(async () => {
    stores = [];
    database = await createDatabase(postgres);
    admin = new pg.Client({ connectionString: database.connectionString });
    await admin.connect();
    await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'outsider'`);
    await admin.query(`GRANT CONNECT ON DATABASE ${admin.database ?? ''} TO ${role}`);
    outsider = new pg.Client({
      host: postgres.host,
      port: postgres.port,
      database: admin.database ?? '',
      user: role,
      password: 'outsider',
    });
    await outsider.connect();
  });

  afterEach(async () => {
    await outsider.end();
    await admin.query(`DROP OWNED BY ${role}`);
    await admin.query(`DROP ROLE ${role}`);
    await admin.end();
    await Promise.all(stores.map((store) => store.close()));
    await database.drop();
  });

  it('does not block commits, invalidations or starts with advisory locks (C12)', async () => {
    const store = await open();
    for (const key of ADVISORY_KEYS) {
      expect(await refusal(`SELECT pg_advisory_lock(${key})`)).toBe('done');
    }
    expect(await record(store)).toMatchObject({ status: 'committed' });
    expect(await record(store, ['session:ses_1'])).toMatchObject({ status: 'committed' });
    expect(await record(await open())).toMatchObject({ status: 'committed' });
    expect(store.fault()).toBeUndefined();
  });

  it('cannot lock a table of the store in any mode, or a row (C12)', async () => {
    await open();
    for (const table of Object.keys(SCHEMA) as TableName[]) {
      for (const mode of MODES) {
        expect(await refusal(`BEGIN; LOCK TABLE "${table}" IN ${mode} MODE`)).toBe('42501');
        await outsider.query('ROLLBACK');
      }
      expect(await refusal(`SELECT 1 FROM "${table}" FOR SHARE`)).toBe('42501');
    }
  });
});
