import { randomInt } from 'node:crypto';
import { readFile, rename } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mysql from 'mysql2/promise';
import { dump, load } from 'js-yaml';
import { describeWith } from '../../kit/backends/backends.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import { until } from '../../kit/backends/until.ts';
import { PATIENT } from '../../kit/providers/longest-timeout.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import { PreparedBroker } from '../../kit/broker/prepared-broker.ts';
import { asAdmin, sha256 } from '../../kit/databases/redis-user.ts';

const CALLERS = 2;
/** Calls of each caller to each backend before the next step of the replacement. */
const CALLS = 3;
const FREE = { perSecond: 1_000_000, burst: 10_000_000 };
const [FIRST, SECOND, CACHE_ADMIN, CACHE_USER] = ['first', 'second', 'cache', 'app'].map(
  uniqueName,
);
/** Host pattern from which the users of MariaDB may log in; it distinguishes them from users of other suites. */
const HOSTS = `10.${randomInt(256)}.${randomInt(256)}.%`;
const passwordOf = (admin = ''): string => `password-of-${admin}`;

describeWith(
  ['postgres', 'mariadb', 'redis'],
  'a broker whose credentials at its backends are replaced under load',
  ({ mariadb, redis, ...backends }) => {
    let place: PostgresPlace;
    let broker: PreparedBroker;
    const database = uniqueName('db');

    async function inMariaDb(...statements: readonly string[]): Promise<readonly unknown[]> {
      const { host, port, username, password } = mariadb;
      const admin = await mysql.createConnection({ host, port, user: username, password });
      let rows: unknown;
      for (const each of statements) [rows] = await admin.query(each);
      await admin.end();
      return rows as readonly unknown[];
    }

    beforeAll(async () => {
      place = await makePostgresPlace(backends.postgres);
      await place.query('CREATE TABLE public.orders (id int)');
      await place.query(`GRANT SELECT ON public.orders TO "${place.admin}" WITH GRANT OPTION`);
      await place.query(
        `CREATE ROLE "${SECOND}" LOGIN CREATEROLE PASSWORD '${passwordOf(SECOND)}'`,
      );
      // The second administrator may revoke what the first has created.
      await place.query(`GRANT "${place.admin}", pg_signal_backend TO "${SECOND}"`);
      await inMariaDb(
        `CREATE DATABASE \`${database}\``,
        ...[FIRST, SECOND].flatMap((admin) => [
          `CREATE USER '${admin}'@'%' IDENTIFIED BY '${passwordOf(admin)}'`,
          `GRANT ALL ON *.* TO '${admin}'@'%' WITH GRANT OPTION`,
        ]),
      );
      await asAdmin(redis, [
        ['ACL', 'SETUSER', CACHE_ADMIN!, 'on', `>${passwordOf(FIRST)}`, '~*', '&*', '+@all'],
        ['ACL', 'SETUSER', CACHE_USER!, 'on', `#${sha256('of-the-user')}`, '~app:*', '+get'],
      ]);
      const common = { limits: PATIENT };
      broker = await PreparedBroker.start({
        files: {
          'postgres-first': place.adminPassword,
          'postgres-second': passwordOf(SECOND),
          'mariadb-first': passwordOf(FIRST),
          'mariadb-second': passwordOf(SECOND),
          cache: passwordOf(FIRST),
        },
        config: (directory) => ({
          limits: { identityRate: FREE, loginRate: FREE, addressRate: FREE },
          connections: {
            postgres: {
              type: 'postgres',
              host: place.host,
              port: place.port,
              database: place.database,
              username: place.admin,
              passwordFile: `${directory}/postgres-first`,
              locators: ['credentials/*'],
              ...common,
            },
            mariadb: {
              type: 'mysql',
              host: mariadb.host,
              port: mariadb.port,
              username: FIRST,
              passwordFile: `${directory}/mariadb-first`,
              locators: ['credentials/*'],
              ...common,
            },
            cache: {
              type: 'redis',
              allowCleartextPassword: true,
              host: redis.host,
              port: redis.port,
              username: CACHE_ADMIN,
              passwordFile: `${directory}/cache`,
              locators: ['users/*'],
              ...common,
            },
          },
        }),
        documents: {
          '/mounts/postgres': {
            prefix: 'postgres',
            connection: 'postgres',
            options: {
              roles: {
                reader: {
                  creation: [
                    'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}',
                    'GRANT SELECT ON public.orders TO {{name}}',
                  ],
                },
              },
            },
          },
          '/mounts/mariadb': {
            prefix: 'mariadb',
            connection: 'mariadb',
            options: {
              roles: {
                reader: {
                  host: HOSTS,
                  creation: [`GRANT SELECT ON \`${database}\`.* TO {{name}}`],
                },
              },
            },
          },
          '/definitions/postgres/reader': { class: 'dynamic', leaseTtl: '1h' },
          '/definitions/mariadb/reader': { class: 'dynamic', leaseTtl: '1h' },
        },
        secrets: { 'own/cache': { username: CACHE_USER!, password: 'of-the-user' } },
      });
      await broker.create('/definitions/own/cache', {
        rotation: {
          connection: 'cache',
          strategy: 'acl-user',
          options: { username: CACHE_USER },
          grace: '1s',
        },
      });
    });
    afterAll(async () => {
      await broker.remove();
      await inMariaDb(`DROP DATABASE \`${database}\``, `DROP USER '${FIRST}'@'%', '${SECOND}'@'%'`);
      await asAdmin(redis, [['ACL', 'DELUSER', CACHE_ADMIN!, CACHE_USER!]]);
      await place.query(`DROP ROLE "${SECOND}"`);
      await place.close();
    });

    it('refuses no request, fails no rotation, and has no connection as the first administrators afterwards (F48)', async () => {
      const load = new Load(broker);
      try {
        await load.waitForMore();
        // Redis accepts both passwords of the user, and the file changes. Databases have one password for each user, so the configuration names another.
        await asAdmin(redis, [['ACL', 'SETUSER', CACHE_ADMIN!, `>${passwordOf(SECOND)}`]]);
        await replace(broker, 'cache', passwordOf(SECOND));
        await useSecond(broker);
        await load.waitForMore();
        await asAdmin(redis, [['ACL', 'SETUSER', CACHE_ADMIN!, `<${passwordOf(FIRST)}`]]);
        await until('no session of the first administrators is open', async () => {
          const [ofPostgres, ofMariaDb] = await Promise.all([
            place.query('SELECT pid FROM pg_stat_activity WHERE usename = $1', [place.admin]),
            inMariaDb(`SELECT id FROM information_schema.processlist WHERE user = '${FIRST}'`),
          ]);
          return ofPostgres.length + ofMariaDb.length === 0;
        });
        await place.query(`ALTER ROLE "${place.admin}" NOLOGIN`);
        await inMariaDb(`ALTER USER '${FIRST}'@'%' ACCOUNT LOCK`);
        await load.waitForMore();
      } finally {
        await load.stop();
      }
      expect(load.failures).toEqual([]);
      expect(await load.failedRotations()).toEqual([]);
      // The second administrators also revoke what the first ones created.
      const { installation, operator: token } = broker;
      const body = { by: 'workload', workload: 'k8s://c1/prod/api' };
      await installation.call('POST', '/api/v1/leases:revoke', { token, body });
      await until('every credential is revoked', async () => {
        const states = ['issued', 'revoking', 'irrevocable', 'expiring'];
        const names = states.map((state) => `quaymaster_credentials{state="${state}"}`);
        return (await broker.metrics(names)).every((count) => count === 0);
      });
      // An order that the end of the load interrupted is revoked too, but no metric counts it before.
      await until('the databases have no user that the broker created', async () => {
        const made = await place.query("SELECT 1 FROM pg_roles WHERE rolname LIKE 'qm-prod-api-%'");
        const users = await inMariaDb(`SELECT 1 FROM mysql.user WHERE Host = '${HOSTS}'`);
        return made.length + users.length === 0;
      });
    });
  },
);

async function replace(broker: PreparedBroker, name: string, text: string): Promise<void> {
  const { installation } = broker;
  await rename(await installation.write(`${name}.new`, text), installation.file(name));
}

/** Names the second administrators in the configuration file, and reloads it. */
async function useSecond(broker: PreparedBroker): Promise<void> {
  const { installation, operator: token } = broker;
  const config = load(await readFile(installation.file('config.yaml'), 'utf8')) as {
    connections: Record<string, object>;
  };
  for (const name of ['postgres', 'mariadb']) {
    const passwordFile = installation.file(`${name}-second`);
    config.connections[name] = { ...config.connections[name], username: SECOND, passwordFile };
  }
  await replace(broker, 'config.yaml', dump(config));
  const answer = await installation.call('POST', '/api/v1/configuration:reload', { token });
  expect(answer).toMatchObject({ status: 200, json: { generation: 2 } });
}

/** Callers that issue credentials, and an operator who rotates, without a pause. */
class Load {
  readonly failures: unknown[] = [];
  readonly #broker: PreparedBroker;
  readonly #counts = new Map<string, number>();
  #isOver = false;
  readonly #running: readonly Promise<void>[];

  constructor(broker: PreparedBroker) {
    this.#broker = broker;
    const issuing = Array.from({ length: CALLERS }, (_, n) =>
      ['postgres', 'mariadb'].map((mount) => this.#issue(`${mount}/reader`, n)),
    );
    this.#running = [...issuing.flat(), this.#rotate()];
  }

  /** Waits until each caller has had more answers. */
  async waitForMore(): Promise<void> {
    const before = new Map(this.#counts);
    await until('every caller is answered', () =>
      Promise.resolve(
        this.failures.length > 0 ||
          (this.#counts.size === this.#running.length &&
            [...this.#counts].every(([who, count]) => count >= (before.get(who) ?? 0) + CALLS)),
      ),
    );
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** Rotations with a step that failed at first. */
  async failedRotations(): Promise<readonly unknown[]> {
    const { installation, operator: token } = this.#broker;
    const path = '/api/v1/rotation-history/own/cache?limit=100';
    const { json } = await installation.call('GET', path, { token });
    const items = json['items'] as {
      readonly outcome?: string;
      readonly steps: readonly { readonly outcome: string }[];
    }[];
    expect(items.length).toBeGreaterThan(CALLS);
    return items.filter(({ steps }) => steps.some(({ outcome }) => outcome === 'failed'));
  }

  async #issue(path: string, n: number): Promise<void> {
    try {
      const session = await this.#broker.logIn({ pod: `pod-${n}` });
      for (let count = 0; !this.#isOver; count += 1) {
        const { status, json } = await this.#broker.order(session, path, `${path}-${n}-${count}`);
        if (status !== 201) this.failures.push({ path, status, json });
        this.#counts.set(`${path} ${n}`, count + 1);
      }
    } catch (error) {
      this.failures.push(String(error));
    }
  }

  async #rotate(): Promise<void> {
    const { installation, operator: token } = this.#broker;
    for (let count = 0; !this.#isOver; count += 1) {
      const asked = '/api/v1/rotations/own/cache:run';
      const { status, json } = await installation.call('POST', asked, { token, body: {} });
      if (status !== 202) this.failures.push({ asked, status, json });
      await until('the rotation is over', async () => {
        const { json: now } = await installation.call('GET', '/api/v1/rotations/own/cache', {
          token,
        });
        return now['active'] === undefined;
      });
      this.#counts.set('rotations', count + 1);
    }
  }
}
