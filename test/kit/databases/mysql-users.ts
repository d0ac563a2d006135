import { readFile } from 'node:fs/promises';
import mysql from 'mysql2/promise';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { MariaDb } from '../backends/mariadb.ts';
import { uniqueName } from '../backends/unique-name.ts';
import type { MadeCredential, RotationSetup } from '../rotation/target-fixture.ts';
import { CARRIED, type RotationNames } from '../../contract/rotation-target.contract.ts';
import { PATIENT } from '../providers/longest-timeout.ts';

export type MysqlStrategy = 'single-user' | 'alternating-users';

interface MysqlUsers extends MadeCredential {
  /** The connection's own account, with exactly the rights in docs/rotators/mysql.md. */
  readonly broker: string;
  readonly usernames: readonly [string, string];
  readonly database: string;
}

interface Server {
  readonly mariadb: MariaDb;
  /** A file with the administrator's password. */
  readonly passwordFile: string;
}

/** A user that may read and write its own table, and the name of another user that does not exist yet. */
export function mysqlUsers(
  { mariadb, passwordFile }: Server,
  strategy: MysqlStrategy,
  names: RotationNames = {},
): RotationSetup<MysqlUsers> {
  const username = names.username ?? uniqueName('app');
  const password = names.password ?? 'first-password-of-this-user';
  const usernames = [username, uniqueName('app-b')] as const;
  const database = uniqueName('db');
  const bystander = uniqueName('bystander');
  const broker = uniqueName('broker');
  const users = strategy === 'single-user' ? { username } : { usernames };
  return {
    connection: {
      type: 'mysql',
      host: mariadb.host,
      port: mariadb.port,
      username: broker,
      passwordFile,
      tls: { caFile: mariadb.caFile, serverName: 'localhost' },
      locators: ['users/*'],
      limits: PATIENT,
    },
    strategy,
    options: { ...users, reads: [`${database}.orders`] },
    async make() {
      await asAdmin(mariadb, [
        sql`CREATE DATABASE ${[database]}`,
        sql`CREATE TABLE ${[database]}.orders (id INT)`,
        sql`CREATE USER ${[broker]}@'127.0.0.1' IDENTIFIED BY ${mariadb.password} REQUIRE SSL`,
        sql`GRANT CREATE USER, PROCESS ON *.* TO ${[broker]}@'127.0.0.1'`,
        sql`GRANT CONNECTION ADMIN ON *.* TO ${[broker]}@'127.0.0.1'`,
        sql`GRANT SELECT ON mysql.* TO ${[broker]}@'127.0.0.1'`,
        sql`GRANT SELECT, INSERT ON ${[database]}.* TO ${[broker]}@'127.0.0.1' WITH GRANT OPTION`,
        sql`CREATE USER ${[username]}@'%' IDENTIFIED BY ${password}`,
        sql`GRANT SELECT, INSERT ON ${[database]}.* TO ${[username]}@'%'`,
        sql`CREATE USER ${[bystander]}@'%' IDENTIFIED BY 'of-another-user'`,
        sql`GRANT SELECT ON ${[database]}.orders TO ${[bystander]}@'%'`,
      ]);
      return {
        broker,
        usernames,
        database,
        current: { ...CARRIED, username, password },
        logsIn: (data) => logsIn(mariadb, data),
        state: async () =>
          (await Promise.all(usernames.map((name) => about(mariadb, name)))).join(),
        bystanders: () => about(mariadb, bystander),
        close: async () => {
          await asAdmin(mariadb, [
            sql`DROP USER IF EXISTS ${[username]}@'%', ${[usernames[1]]}@'%', ${[bystander]}@'%'`,
            sql`DROP USER ${[broker]}@'127.0.0.1'`,
            sql`DROP DATABASE ${[database]}`,
          ]);
        },
      };
    },
  };
}

/** Names are lists with one item, texts are strings; both quoted as MariaDB does outside NO_BACKSLASH_ESCAPES. */
export function sql(
  parts: TemplateStringsArray,
  ...values: readonly (string | readonly [string])[]
): string {
  return parts.reduce((text, part, index) => {
    const value = values[index - 1] ?? '';
    return text + (typeof value === 'string' ? mysql.escape(value) : tick(value[0])) + part;
  });
}

function tick(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``;
}

export async function asAdmin(
  mariadb: MariaDb,
  statements: readonly string[],
): Promise<string[][]> {
  const { host, port, username: user, password } = mariadb;
  const admin = await mysql.createConnection({ host, port, user, password, rowsAsArray: true });
  try {
    let rows: unknown = [];
    for (const statement of statements) [rows] = await admin.query(statement);
    return rows as string[][];
  } finally {
    await admin.end();
  }
}

export async function grants(mariadb: MariaDb, name: string): Promise<readonly string[]> {
  const rows = await asAdmin(mariadb, [sql`SHOW GRANTS FOR ${[name]}@'%'`]);
  return rows.map(([line = '']) => line).sort();
}

/** The output of SHOW CREATE USER and SHOW GRANTS, '' if the user does not exist. */
async function about(mariadb: MariaDb, name: string): Promise<string> {
  try {
    const [row] = await asAdmin(mariadb, [sql`SHOW CREATE USER ${[name]}@'%'`]);
    return [row?.[0], ...(await grants(mariadb, name))].join('\n');
  } catch {
    return '';
  }
}

export async function connected(mariadb: MariaDb, data: SecretData): Promise<mysql.Connection> {
  const { host, port, caFile } = mariadb;
  const { username: user, password } = data as {
    readonly username: string;
    readonly password: string;
  };
  const ssl = { ca: await readFile(caFile, 'utf8') };
  const connection = await mysql.createConnection({ host, port, user, password, ssl });
  connection.on('error', () => undefined);
  return connection;
}

async function logsIn(mariadb: MariaDb, data: SecretData): Promise<boolean> {
  try {
    await (await connected(mariadb, data)).end();
    return true;
  } catch {
    return false;
  }
}
