import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { systemClock } from '../../../src/process/clock.ts';
import { postgresConnectionSchema } from '../../../src/providers/postgres/config.ts';
import {
  connectPostgres,
  type PostgresServer,
} from '../../../src/providers/postgres/client/server.ts';
import { quoteIdentifier, quoteLiteral } from '../../../src/providers/postgres/quote.ts';
import { createDatabase, type Postgres } from '../backends/postgres.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

/** A separate database with an administrator as documented: not a superuser, with CREATEROLE and pg_signal_backend. */
export interface PostgresPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly admin: string;
  readonly adminPassword: string;
  readonly server: PostgresServer;
  /** The administrator's connection in the configuration of a broker. */
  connection(locators: readonly string[]): Readonly<Record<string, unknown>>;
  /** Opens another connection with the same settings, except `changes`. */
  connect(changes?: Readonly<Record<string, unknown>>): Promise<PostgresServer>;
  /** Runs a query as the superuser. */
  query(text: string, values?: readonly unknown[]): Promise<readonly unknown[][]>;
  /** Creates a role as the administrator, so that the administrator may change it. */
  createRole(name: string, password: string): Promise<void>;
  /** Logs in with the driver alone; false if the server refuses. */
  logsIn(username: string, password: string): Promise<boolean>;
  /** Opens a session of that user and leaves it open. */
  openSession(username: string, password: string): Promise<pg.Client>;
  /** Removes the database and all its roles from the server. */
  close(): Promise<void>;
}

/**
 * Roles that the administrator created, and roles that own the database or have rights in it. Both belong only to this fixture,
 * so no other suite's role is among them.
 */
const OWN_ROLES = `
  SELECT m.roleid::regrole::text FROM pg_auth_members m JOIN pg_roles a ON a.oid = m.member
   WHERE a.rolname = $1 AND m.admin_option
  UNION SELECT d.refobjid::regrole::text FROM pg_shdepend d JOIN pg_database b ON b.oid = d.dbid
   WHERE b.datname = current_database() AND d.refclassid = 'pg_authid'::regclass
  UNION SELECT oid::regrole::text FROM pg_roles WHERE rolname = $1`;

async function dropRoles(postgres: Postgres, quoted: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: postgres.adminConnectionString });
  await client.connect();
  try {
    // In one statement, because rights that the roles gave each other prevent dropping them one by one.
    await client.query(`DROP ROLE ${quoted.join(', ')}`);
  } finally {
    await client.end();
  }
}

export async function makePostgresPlace(postgres: Postgres): Promise<PostgresPlace> {
  const { connectionString, drop } = await createDatabase(postgres, { forAllRoles: true });
  const { hostname: host, port: portText, pathname } = new URL(connectionString);
  const port = Number(portText);
  const database = decodeURIComponent(pathname.slice(1));
  const admin = uniqueName('broker');
  const adminPassword = randomBytes(16).toString('hex');
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-postgres-place-'));
  const passwordFile = join(directory, 'password');
  await writeFile(passwordFile, `${adminPassword}\n`, { mode: 0o600 });
  const superuser = new pg.Client({ connectionString });
  await superuser.connect();
  const query = async (text: string, values: readonly unknown[] = []) => {
    const { rows } = await superuser.query<unknown[]>({
      text,
      values: [...values],
      rowMode: 'array',
    });
    return rows;
  };
  const own = quoteIdentifier(admin);
  await query(`CREATE ROLE ${own} LOGIN CREATEROLE PASSWORD ${quoteLiteral(adminPassword)}`);
  await query(`GRANT pg_signal_backend TO ${own}`);
  const asUser = (user: string, password: string) =>
    new pg.Client({ host, port, database, user, password });
  const connection = (locators: readonly string[]) => ({
    type: 'postgres',
    host,
    port,
    database,
    username: admin,
    passwordFile,
    locators,
    limits: PATIENT,
  });
  const connect = (changes: Readonly<Record<string, unknown>> = {}) => {
    const config = postgresConnectionSchema.parse({
      ...connection(['**']),
      ...changes,
      limits: { ...PATIENT, ...(changes['limits'] as object) },
    });
    return connectPostgres(config, { clock: systemClock, connection: 'backend' });
  };
  return {
    host,
    port,
    database,
    admin,
    adminPassword,
    server: await connect(),
    connection,
    connect,
    query,
    async createRole(name, password) {
      const client = asUser(admin, adminPassword);
      await client.connect();
      try {
        const literal = quoteLiteral(password);
        await client.query(`CREATE ROLE ${quoteIdentifier(name)} LOGIN PASSWORD ${literal}`);
      } finally {
        await client.end();
      }
    },
    async logsIn(user, password) {
      const client = asUser(user, password);
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.query('SELECT 1');
        return true;
      } catch (error) {
        if (/^28/.test((error as { code?: string }).code ?? '')) return false;
        throw error;
      } finally {
        await client.end().catch(() => undefined);
      }
    },
    async openSession(user, password) {
      const client = asUser(user, password);
      client.on('error', () => undefined);
      await client.connect();
      return client;
    },
    async close() {
      const roles = await query(OWN_ROLES, [admin]);
      await superuser.end();
      await drop();
      await dropRoles(
        postgres,
        roles.map(([name]) => name as string),
      );
      await rm(directory, { recursive: true, force: true });
    },
  };
}
