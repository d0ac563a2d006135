import pg from 'pg';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { createToken, mountEngine, openBaoCall } from '../backends/openbao-calls.ts';
import type { OpenBao } from '../backends/openbao.ts';
import type { Postgres } from '../backends/postgres.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { privateFile, type RotationSetup } from './target-fixture.ts';
import { CARRIED } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** Policy with exactly the rights that docs/rotators/vault.md asks operators to grant. */
const policy = (engine: string): string => `
path "${engine}/static-creds/app" { capabilities = ["read"] }
path "${engine}/rotate-role/app" { capabilities = ["update"] }`;

interface DatabaseRole extends RotationSetup {
  readonly engine: string;
  /** The broker's token. */
  readonly token: string;
}

/** Creates a static role of the database engine over a real PostgreSQL. */
export async function databaseRole(bao: OpenBao, postgres: Postgres): Promise<DatabaseRole> {
  const engine = await mountEngine(bao, 'database');
  const token = await createToken(bao, policy(engine));
  const file = await privateFile(token);
  return {
    engine,
    token,
    connection: {
      type: 'vault',
      address: bao.address,
      auth: { method: 'token', tokenFile: file.path },
      locators: [`${engine}/static-roles/*`],
      limits: PATIENT,
    },
    strategy: 'static-role',
    options: { engine, role: 'app' },
    async make() {
      const made = await makeRole(bao, postgres, engine);
      return {
        ...made,
        async close() {
          await made.close();
          await file.remove();
        },
      };
    },
  };
}

async function makeRole(bao: OpenBao, postgres: Postgres, engine: string) {
  const admin = new URL(postgres.adminConnectionString);
  const database = new pg.Client({ connectionString: postgres.adminConnectionString });
  await database.connect();
  const user = uniqueName('static').replaceAll('-', '_');
  await database.query(`CREATE ROLE ${user} LOGIN PASSWORD 'before'`);
  await openBaoCall(bao, 'POST', `${engine}/config/pg`, {
    plugin_name: 'postgresql-database-plugin',
    connection_url: `postgres://{{username}}:{{password}}@${admin.host}/postgres?sslmode=disable`,
    allowed_roles: ['app'],
    username: admin.username,
    password: admin.password,
  });
  const role = { db_name: 'pg', username: user, rotation_period: '24h' };
  await openBaoCall(bao, 'POST', `${engine}/static-roles/app`, role);
  const held = (await openBaoCall(bao, 'GET', `${engine}/static-creds/app`)) as {
    data: { username: string; password: string };
  };
  const { username, password } = held.data;
  const roles = async (mine: boolean): Promise<string> => {
    const { rows } = await database.query(
      `SELECT rolname, rolcanlogin, rolpassword FROM pg_authid WHERE (rolname = $1) = $2 AND ($2 OR rolname = 'postgres')`,
      [user, mine],
    );
    return JSON.stringify(rows);
  };
  return {
    current: { ...CARRIED, username, password },
    async logsIn(data: SecretData) {
      const [user, password] = [data['username'] as string, data['password'] as string];
      const at = { host: admin.hostname, port: Number(admin.port), database: 'postgres' };
      const client = new pg.Client({ ...at, user, password });
      try {
        await client.connect();
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    state: () => roles(true),
    bystanders: () => roles(false),
    close: async () => {
      await openBaoCall(bao, 'DELETE', `sys/mounts/${engine}`);
      await database.query(`DROP ROLE IF EXISTS ${user}`);
      await database.end();
    },
  };
}
