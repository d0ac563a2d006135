import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { components } from '../../src/client/index.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../kit/backends/postgres.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { makePostgresPlace, type PostgresPlace } from '../kit/databases/postgres-fixture.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { eventually } from '../kit/time/eventually.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';

type Rotation = components['schemas']['Rotation'];
type Status = components['schemas']['RotationStatus'];

let place: PostgresPlace;
/** Another database of the same server, and its owner. */
let elsewhere: TestDatabase;
let superuser: pg.Client;
let broker: PreparedBroker;
let operator: CommandLine;
let pod: CommandLine;
const role = uniqueName('cli_app').replaceAll('-', '_');
const password = randomBytes(12).toString('hex');

async function start(): Promise<PreparedBroker> {
  return PreparedBroker.start({
    files: { 'pg.password': place.adminPassword },
    config: (directory) => ({
      connections: {
        database: {
          type: 'postgres',
          host: place.host,
          port: place.port,
          database: place.database,
          username: place.admin,
          passwordFile: `${directory}/pg.password`,
          locators: ['credentials/*', 'roles/*'],
        },
      },
    }),
    documents: {
      '/mounts/db': {
        prefix: 'db',
        connection: 'database',
        options: { roles: { readonly: { creation: [CREATE] } } },
      },
      '/definitions/db/readonly': { class: 'dynamic', leaseTtl: '10m' },
      '/definitions/own/app': {
        rotation: {
          connection: 'database',
          strategy: 'single-user',
          options: { username: role },
          takeover: 'confirmed',
        },
      },
    },
  });
}

describeWith(['postgres'], 'an operator who repairs blocked work', ({ postgres }) => {
  beforeAll(async () => {
    elsewhere = await createDatabase(postgres, { forAllRoles: true });
    superuser = new pg.Client({ connectionString: elsewhere.connectionString });
    await superuser.connect();
    place = await makePostgresPlace(postgres);
    broker = await start();
    const { url } = broker.installation;
    operator = await CommandLine.make();
    const token = await operator.write('token', broker.operator);
    await operator.ok('login', '--url', url, '--token-file', token);
    await broker.logInEarly();
    pod = await CommandLine.make();
    const podToken = await pod.write('pod-token', broker.serviceAccountToken());
    await pod.ok('login', '--url', url, '--cluster', 'c1', '--pod-token-file', podToken);
  });

  afterAll(async () => {
    await operator.remove();
    await pod.remove();
    await broker.remove();
    await superuser.end();
    await elsewhere.drop();
    await place.close();
  });

  it('sees why a rotation is parked, removes the cause, and resumes it to its end', async () => {
    await broker.write('own/app', { username: role, password });
    const parked = await operator.run('rotate', 'run', 'own/app', '--wait');
    expect(parked.code).toBe(1);
    expect(parked.out).toMatch(/state +parked\n/);
    expect(await operator.ok('rotate', 'ls', '--state', 'parked')).toMatch(
      /own\/app.*parked: \w+\n/,
    );
    const status = await operator.ok('rotate', 'status', 'own/app');
    expect(status).toMatch(/last error +.*role_missing/);

    // The cause is still there: the rotation is tried once, and parked again.
    const retried = await operator.ok('rotate', 'retry', 'own/app', '--comment', 'too early');
    expect(retried).toMatch(/state +running\n/);
    await eventually('it is parked again', async () => {
      const { active } = (await operator.json('rotate', 'status', 'own/app')) as Status;
      return active?.state === 'parked' ? true : undefined;
    });

    await place.createRole(role, password);
    const words = ['rotate', 'retry', 'own/app', '--comment', 'made the role', '--wait'];
    const done = await operator.ok(...words);
    expect(done).toMatch(/state +done\nversion +2\n/);
    expect(done).toMatch(/test +a login with the new credential worked, and it may do what/);
    expect(done).toContain(`accounts checked: roles/${role} at connection "`);
    const [ended] = (await operator.json('rotate', 'history', 'own/app')).items as Rotation[];
    expect(ended).toMatchObject({ state: 'done', version: '2' });
    const read = await pod.ok('get', 'own/app', '--key', 'password', '--reveal');
    pod.traces = pod.traces.replaceAll(read, '');
    expect(read).not.toBe(password);
    expect(await place.logsIn(role, read)).toBe(true);
    expect((await operator.run('rotate', 'retry', 'own/app')).code).toBe(6);
    expect(findCanary(read, { said: operator.traces })).toEqual([]);
  });

  it('sees why a credential cannot be revoked, removes the cause, and retries the revocation', async () => {
    const { data } = await pod.json('credential', 'db/readonly', '--reveal');
    const { username, password: secret } = data as { username: string; password: string };
    pod.traces = pod.traces.replaceAll(secret, '');
    // Its objects in another database prevent that it is dropped: docs/providers/postgres.md.
    await superuser.query(`CREATE TABLE kept (); ALTER TABLE kept OWNER TO "${username}"`);

    await operator.ok('lease', 'revoke', '--path', 'db/readonly', '--yes', '--comment', 'test');
    const failed = await eventually('it fails', async () => {
      const { items } = await operator.json('revocation', 'ls');
      const [item] = items as { credential: string; attempts: number; lastError?: string }[];
      return item?.lastError === undefined ? undefined : item;
    });
    expect(username).toContain(failed.credential);
    expect(failed.attempts).toBe(1);
    expect(await operator.ok('revocation', 'ls')).toContain(failed.lastError ?? '');

    await superuser.query('DROP TABLE kept');
    const said = await operator.ok('revocation', 'retry', failed.credential);
    expect(said).toBe(`retrying the revocation of ${failed.credential} now\n`);
    await eventually('it is revoked', async () => {
      const { items } = await operator.json('revocation', 'ls');
      return (items as unknown[]).length === 0 ? true : undefined;
    });
    const rows = await place.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [username]);
    expect(rows).toEqual([]);
    const entries = await operator.ok('audit', 'search', '--credential', failed.credential);
    expect(entries).toMatch(/bootstrap +credential\.revoke +ok/);
    expect((await operator.run('revocation', 'retry', failed.credential)).code).toBe(6);
  });
});
