import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import type { BrokerError } from '../../../src/domain/errors.ts';
import type { DynamicCredentials } from '../../../src/ports/secret-provider.ts';
import { postgresAt } from '../../../src/providers/postgres/open.ts';
import { quoteIdentifier } from '../../../src/providers/postgres/quote.ts';
import type { Postgres } from '../backends/postgres.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { makePostgresPlace, type PostgresPlace } from './postgres-fixture.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';

const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';
const workload = {
  cluster: 'east',
  namespace: 'hostile',
  serviceAccount: 'tenant',
  serviceAccountUid: '6f0b7f4e-6d5c-4c0e-9a70-2f9c0f2b9f01',
};

/** One issued credential in the hands of an attacker. */
export interface HostileTenant {
  readonly username: string;
  readonly password: string;
  readonly handle: string;
  readonly credentials: DynamicCredentials;
  /** Opens a session of the credential; `options` as a client may send them at its login. */
  open(options?: string, database?: string): Promise<pg.Client>;
  /** @throws the provider's error. */
  /** Revokes the credential. `limits`: those of the connection that revokes. */
  revoke(limits?: object): Promise<void>;
}

/** A database with a schema in which the tenant may create, and a mount that issues its roles. */
export interface TenantPlace {
  readonly place: PostgresPlace;
  readonly heir: string;
  readonly strangerName: string;
  /** Creates another heir, for a test that makes it unsuitable. */
  makeHeir(): Promise<string>;
  /** `heir` undefined: a mount without an heir. */
  issue(options?: {
    readonly heir?: string;
    readonly revocation?: readonly string[];
  }): Promise<HostileTenant>;
  /** A session of an unrelated user of the database. */
  stranger(): Promise<pg.Client>;
  /** A superuser's session. */
  administrator(): Promise<pg.Client>;
  /** Describes what an attacker could still use: '' if nothing is left of the credential. */
  remains(tenant: HostileTenant): Promise<string>;
  close(): Promise<void>;
}

export async function tenantPlace(postgres: Postgres): Promise<TenantPlace> {
  const place = await makePostgresPlace(postgres);
  const admin = quoteIdentifier(place.admin);
  const heir = uniqueName('heir');
  const strangerName = uniqueName('stranger');
  const version = Number((await place.query('SHOW server_version_num'))[0]?.[0]);
  for (const statement of [
    'CREATE SCHEMA app',
    'CREATE TABLE public.orders (id int)',
    `GRANT USAGE, CREATE ON SCHEMA app TO ${admin} WITH GRANT OPTION`,
    `GRANT SELECT, UPDATE ON public.orders TO ${admin} WITH GRANT OPTION`,
    `CREATE ROLE "${strangerName}" LOGIN PASSWORD 'stranger'`,
    `GRANT USAGE ON SCHEMA app TO PUBLIC`,
  ]) {
    await place.query(statement);
  }
  const options = version < 160_000 ? '' : ', INHERIT FALSE, SET FALSE';
  const makeHeir = async (name = uniqueName('heir')): Promise<string> => {
    await place.query(`CREATE ROLE "${name}" NOLOGIN`);
    await place.query(`GRANT "${name}" TO ${admin} WITH ADMIN OPTION${options}`);
    return name;
  };
  await makeHeir(heir);
  const clients: pg.Client[] = [];
  const track = async (client: pg.Client): Promise<pg.Client> => {
    clients.push(client);
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  const at = { host: place.host, port: place.port };
  return {
    place,
    heir,
    strangerName,
    makeHeir: () => makeHeir(),
    async issue({ heir: chosen, revocation = [] } = {}) {
      const roles = {
        rw: {
          creation: [
            CREATE,
            'GRANT USAGE, CREATE ON SCHEMA app TO {{name}}',
            'GRANT SELECT, UPDATE ON public.orders TO {{name}}',
          ],
          revocation,
        },
      };
      const mount = async (limits?: object) =>
        postgresAt('db', await place.connect({ limits }), { clock: systemClock }).provider.mount({
          ...(chosen !== undefined && { heir: chosen }),
          roles,
        });
      const provider = await mount();
      const credentials = provider.credentials!;
      const handle = credentials.begin({
        intentId: uniqueName('cred').replaceAll('-', '_'),
        locator: provider.locate('rw'),
        workload,
        ttlSeconds: 300,
        ref: undefined,
      });
      const issued = await credentials.issue(
        await credentials.prepare(handle, contextOf()),
        contextOf(),
      );
      const { username, password } = issued.data as { username: string; password: string };
      return {
        username,
        password,
        handle,
        credentials,
        open: (options, database = place.database) =>
          track(
            new pg.Client({
              ...at,
              database,
              user: username,
              password,
              ...(options !== undefined && { options }),
            }),
          ),
        revoke: async (limits) => {
          const at = limits === undefined ? provider : await mount(limits);
          return at.credentials!.revoke(handle, contextOf());
        },
      };
    },
    stranger: () =>
      track(
        new pg.Client({
          ...at,
          database: place.database,
          user: strangerName,
          password: 'stranger',
        }),
      ),
    administrator: () => track(new pg.Client({ connectionString: postgres.adminConnectionString })),
    async remains({ username, password }) {
      const found: string[] = [];
      if (await place.logsIn(username, password)) found.push('logs in');
      for (const [what] of await place.query(REMAINS, [username, place.admin])) {
        found.push(what as string);
      }
      return found.join(', ');
    },
    async close() {
      for (const client of clients) await client.end().catch(() => undefined);
      // The heir also received the tenant's objects in the server's own database.
      const elsewhere = new pg.Client({ connectionString: postgres.adminConnectionString });
      await elsewhere.connect();
      await elsewhere.query(`DROP OWNED BY "${heir}"`);
      await elsewhere.end();
      await place.query(`DROP OWNED BY "${strangerName}" CASCADE`);
      await place.query(`DROP ROLE "${strangerName}"`);
      await place.close();
    },
  };
}

/** Sessions and prepared transactions of the role, and objects owned by a role that may create others. */
const REMAINS = `
  SELECT 'a session' FROM pg_stat_activity WHERE usename = $1
  UNION ALL SELECT 'a prepared transaction' FROM pg_prepared_xacts WHERE owner = $1
  UNION ALL SELECT 'may log in' FROM pg_roles WHERE rolname = $1 AND rolcanlogin
  UNION ALL SELECT 'is a member of something' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = $1
  UNION ALL SELECT 'has a member' FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid
    WHERE r.rolname = $1 AND m.member <> (SELECT oid FROM pg_roles WHERE rolname = $2)
  UNION ALL SELECT 'has a right' FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'a' AND r.rolname = $1
  UNION ALL SELECT 'an object of a role that may make roles' FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
    WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o' AND (r.rolname = $2 OR r.rolcreaterole)
      AND d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())`;

/** Gives the result of a revocation and the remains of the credential, read at the same time. */
export async function revoked(at: TenantPlace, tenant: HostileTenant): Promise<string> {
  await tenant.revoke();
  return at.remains(tenant);
}

/** The reason of a revocation that must fail; even then no login is possible afterwards. */
export async function refusal(at: TenantPlace, tenant: HostileTenant): Promise<BrokerError> {
  const failure = await failureOf(tenant.revoke());
  const left = await at.remains(tenant);
  if (left !== '') throw new Error(`refused with ${failure.reason}, and left: ${left}`);
  return failure;
}
