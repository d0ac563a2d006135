import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import { openBroker } from '../../../src/program/broker/broker.ts';
import { initialise, type Initialised } from '../../../src/program/installation/initialise.ts';
import { checkConfig } from '../../../src/program/config/load.ts';
import type { Config } from '../../../src/program/config/schema.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { TestDatabase } from '../../kit/backends/postgres.ts';
import { createDatabase } from '../../kit/backends/postgres.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';

describeWith(['postgres'], 'init on PostgreSQL', ({ postgres }) => {
  let directory: string;
  let database: TestDatabase;
  let client: pg.Client;
  let logged: unknown[];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-init-'));
    database = await createDatabase(postgres);
    await writeFile(join(directory, 'dsn'), database.connectionString, { mode: 0o600 });
    client = new pg.Client({ connectionString: database.connectionString });
    await client.connect();
    logged = [];
  });

  afterEach(async () => {
    await client.end();
    await database.drop();
    await rm(directory, { recursive: true });
  });

  const take = (fields: unknown, message: string): void => void logged.push({ fields, message });
  const deps = { clock: systemClock, log: { info: take, warn: take, error: take } };
  const configOf = (keys: string): Config =>
    checkConfig(
      {
        mode: 'development',
        store: { type: 'postgres', connectionStringFile: join(directory, 'dsn') },
        kek: { type: 'local-file', path: join(directory, keys, 'kek') },
        audit: {
          origin: 'quaymaster.test/init',
          logKeyFile: join(directory, keys, 'log.pem'),
          checkpointFile: join(directory, keys, 'checkpoint'),
        },
      },
      'test',
    );
  const init = (keys: string): Promise<Initialised> =>
    initialise(
      configOf(keys),
      { tokenFile: join(directory, `${keys}.token`), tokenTtlSeconds: 3600 },
      deps,
    );
  const rows = async (sql: string): Promise<object[]> => (await client.query<object>(sql)).rows;

  it('succeeds once when two run at the same time, and the other leaves nothing in the store (C13)', async () => {
    const results = await Promise.allSettled([init('one'), init('two')]);
    const failed = results.filter(({ status }) => status === 'rejected');
    // The other finds the claim of the first or, if it comes late, a whole store whose key it does not have.
    const code = expect.stringMatching(/^ERR_(?:CONFLICT|SEALED)$/);
    expect(failed).toMatchObject([{ reason: { code } }]);
    const winner = results[0].status === 'fulfilled' ? 'one' : 'two';
    expect(await readFile(join(directory, `${winner}.token`), 'utf8')).toMatch(/^qmo_/);
    expect(await rows('SELECT "version" FROM "documents"')).toEqual([{ version: '1' }]);
    expect(await rows('SELECT "operator" FROM "operator_tokens"')).toHaveLength(1);
    expect(await rows('SELECT DISTINCT "writer" FROM "audit_batches"')).toHaveLength(1);
    const broker = await openBroker(configOf(winner), deps);
    const unready = broker.unready();
    await broker.close('test');
    expect(unready).toEqual([]);
  });

  it('creates another token when it runs again afterwards', async () => {
    await init('one');
    await rm(join(directory, 'one.token'));
    expect((await init('one')).created).toEqual([]);
    expect(await rows('SELECT "name" FROM "claims" WHERE "name" = \'initialise\'')).toEqual([]);
  });

  it('refuses a database to which every role may connect, and names the statement to run (C13)', async () => {
    const name = client.database ?? '';
    await client.query(`GRANT CONNECT ON DATABASE ${name} TO PUBLIC`);
    await expect(init('one')).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
    const statement = `REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`;
    await expect(init('one')).rejects.toThrow(statement);
    await client.query(statement);
    await init('one');
  });

  it('names the missing right of a role that does not own the database', async () => {
    const role = uniqueName('guest').replaceAll('-', '_');
    const url = new URL(database.connectionString);
    const admin = new pg.Client({
      connectionString: Object.assign(new URL(postgres.adminConnectionString), {
        pathname: url.pathname,
      }).href,
    });
    await admin.connect();
    try {
      await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'guest'`);
      await admin.query(`GRANT CONNECT ON DATABASE ${url.pathname.slice(1)} TO ${role}`);
      Object.assign(url, { username: role, password: 'guest' });
      await writeFile(join(directory, 'dsn'), url.href);
      await expect(init('one')).rejects.toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        detail: expect.stringMatching(/\(42501\): .*must own the database or its schema/),
      });
    } finally {
      await admin.query(`REVOKE ALL ON DATABASE ${url.pathname.slice(1)} FROM ${role}`);
      await admin.query(`DROP ROLE ${role}`);
      await admin.end();
    }
  });

  it('only warns about that for an existing installation', async () => {
    await init('one');
    const name = client.database ?? '';
    await client.query(`GRANT CONNECT ON DATABASE ${name} TO PUBLIC`);
    const broker = await openBroker(configOf('one'), deps);
    const [unready, warnings] = [broker.unready(), broker.warnings()];
    await broker.close('test');
    expect(unready).toEqual([]);
    expect(warnings).toEqual(['store_open_to_all_roles']);
    expect(JSON.stringify(logged)).toContain(`REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`);
    await rm(join(directory, 'one.token'));
    await init('one');
  });
});
