import { randomInt } from 'node:crypto';
import mysql from 'mysql2/promise';
import type { Backends } from '../backends/fleet.ts';
import { uniqueName } from '../backends/unique-name.ts';
import { makePostgresPlace } from '../databases/postgres-fixture.ts';
import { LEASE_TTL, type CredentialFixture } from './dynamic-credentials.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

const CREATE = 'CREATE ROLE {{name}} LOGIN PASSWORD {{password}} VALID UNTIL {{expiration}}';

/** Documents of a mount with the name of its connection. */
function documentsOf(name: string, options: object): Readonly<Record<string, object>> {
  return {
    [`/mounts/${name}`]: { prefix: name, connection: name, options },
    [`/definitions/${name}/reader`]: { class: 'dynamic', leaseTtl: LEASE_TTL },
  };
}

/** Roles of PostgreSQL, identified by the service account in their names. */
export async function postgresRoles({
  postgres,
}: Pick<Backends, 'postgres'>): Promise<CredentialFixture> {
  const place = await makePostgresPlace(postgres);
  await place.query('CREATE TABLE public.orders (id int)');
  await place.query(`GRANT SELECT ON public.orders TO "${place.admin}" WITH GRANT OPTION`);
  const serviceAccount = uniqueName('a');
  return {
    path: 'roles/reader',
    serviceAccount,
    files: {},
    connections: () => ({ roles: place.connection(['credentials/*']) }),
    documents: documentsOf('roles', {
      roles: { reader: { creation: [CREATE, 'GRANT SELECT ON public.orders TO {{name}}'] } },
    }),
    live: async () => {
      const name = `qm-prod-${serviceAccount}-%`;
      return (await place.query('SELECT 1 FROM pg_roles WHERE rolname LIKE $1', [name])).length;
    },
    close: () => place.close(),
  };
}

/** Users of MariaDB, identified by their host. */
export async function mysqlUserCredentials({
  mariadb,
}: Pick<Backends, 'mariadb'>): Promise<CredentialFixture> {
  const { host, port, username, password } = mariadb;
  const query = async (sql: string): Promise<readonly unknown[]> => {
    const admin = await mysql.createConnection({ host, port, user: username, password });
    const [rows] = await admin.query(sql);
    await admin.end();
    return rows as unknown[];
  };
  const database = uniqueName('db');
  await query(`CREATE DATABASE \`${database}\``);
  const from = `10.${randomInt(256)}.${randomInt(256)}.%`;
  return {
    path: 'users/reader',
    files: { 'mariadb.password': password },
    connections: (directory) => ({
      users: {
        type: 'mysql',
        host,
        port,
        username,
        passwordFile: `${directory}/mariadb.password`,
        locators: ['credentials/*'],
        limits: PATIENT,
      },
    }),
    documents: documentsOf('users', {
      roles: {
        reader: { host: from, creation: [`GRANT SELECT ON \`${database}\`.* TO {{name}}`] },
      },
    }),
    live: async () => (await query(`SELECT 1 FROM mysql.user WHERE Host = '${from}'`)).length,
    close: async () => {
      await query(`DROP DATABASE \`${database}\``);
    },
  };
}
