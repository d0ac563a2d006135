import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import mysql from 'mysql2/promise';
import { systemClock } from '../../src/clock.ts';
import type { SecretData } from '../../src/domain/secret.ts';
import type { RotationConnection } from '../../src/ports/rotation-target.ts';
import { connectMysqlRotation } from '../../src/rotation/mysql/connection.ts';
import { mysqlConnectionSchema } from '../../src/upstream/mysql/config.ts';
import { connectMysql } from '../../src/upstream/mysql/mysql-server.ts';
import { describeWith } from '../backends/backends.ts';
import type { MariaDb } from '../backends/mariadb.ts';
import { uniqueName } from '../backends/unique-name.ts';
import {
  CARRIED,
  HOSTILE_NAMES,
  rotationTargetContract,
  turnOf,
  wholeText,
  type RotationFixture,
  type RotationNames,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

interface MysqlFixture extends RotationFixture {
  readonly usernames: readonly [string, string];
  readonly database: string;
}

describeWith(['mariadb'], 'rotation on MariaDB', ({ mariadb }) => {
  let directory: string;
  let passwordFile: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-mysql-rotation-'));
    passwordFile = join(directory, 'password');
    await writeFile(passwordFile, mariadb.password, { mode: 0o600 });
  });
  afterAll(() => rm(directory, { recursive: true }));

  const connect = async (changes: object = {}): Promise<RotationConnection> => {
    const config = mysqlConnectionSchema.parse({
      type: 'mysql',
      host: mariadb.host,
      port: mariadb.port,
      username: mariadb.username,
      passwordFile,
      tls: { caFile: mariadb.caFile, serverName: 'localhost' },
      locators: ['users/*'],
      ...changes,
    });
    return connectMysqlRotation('db', await connectMysql(config, systemClock));
  };

  const make =
    (strategy: 'single-user' | 'alternating-users') =>
    async (names: RotationNames = {}): Promise<MysqlFixture> => {
      const username = names.username ?? uniqueName('app');
      const password = names.password ?? 'first-password-of-this-user';
      const usernames = [username, uniqueName('app-b')] as const;
      const database = uniqueName('db');
      const users = strategy === 'single-user' ? { username } : { usernames };
      const options = { ...users, reads: [`${database}.orders`] };
      const target = (await connect()).target(strategy, options);
      const bystander = uniqueName('bystander');
      await asAdmin(mariadb, [
        sql`CREATE DATABASE ${[database]}`,
        sql`CREATE TABLE ${[database]}.orders (id INT)`,
        sql`CREATE USER ${[username]}@'%' IDENTIFIED BY ${password}`,
        sql`GRANT SELECT, INSERT ON ${[database]}.* TO ${[username]}@'%'`,
        sql`CREATE USER ${[bystander]}@'%' IDENTIFIED BY 'of-somebody-else'`,
        sql`GRANT SELECT ON ${[database]}.orders TO ${[bystander]}@'%'`,
      ]);
      return {
        target,
        usernames,
        database,
        current: { ...CARRIED, username, password },
        restart: async () => (await connect()).target(strategy, options),
        logsIn: (data) => logsIn(mariadb, data),
        state: async () =>
          (await Promise.all(usernames.map((name) => about(mariadb, name)))).join(),
        bystanders: () => about(mariadb, bystander),
        close: async () => {
          await asAdmin(mariadb, [
            sql`DROP USER IF EXISTS ${[username]}@'%', ${[usernames[1]]}@'%', ${[bystander]}@'%'`,
            sql`DROP DATABASE ${[database]}`,
          ]);
        },
      };
    };

  // A character of four bytes cannot be in a name, which is kept in three.
  const impossibleNames = HOSTILE_NAMES.filter((name) => /[\u{10000}-\u{10ffff}]/u.test(name));
  rotationTargetContract('one MariaDB user', make('single-user'), {
    slots: 'one',
    drillable: false,
    impossibleNames,
  });
  rotationTargetContract('two MariaDB users by turns', make('alternating-users'), {
    slots: 'two',
    drillable: true,
    impossibleNames,
  });

  describe('two MariaDB users by turns', () => {
    const begin = make('alternating-users');
    const rotated = async (fixture: MysqlFixture): Promise<SecretData> => {
      const turn = turnOf(fixture.current);
      const pending = await fixture.target.create(turn);
      await fixture.target.set(turn, pending);
      return pending;
    };

    it('may do the same: rights on columns, routines and tables, roles, TLS and limits, and no more', async () => {
      const fixture = await begin();
      const [first, second] = fixture.usernames;
      const role = uniqueName('role');
      const { database } = fixture;
      await asAdmin(mariadb, [
        sql`CREATE ROLE ${[role]}`,
        sql`GRANT UPDATE (id) ON ${[database]}.orders TO ${[first]}@'%' WITH GRANT OPTION`,
        sql`GRANT PROCESS ON *.* TO ${[first]}@'%' REQUIRE SSL WITH MAX_USER_CONNECTIONS 7`,
        sql`GRANT ${[role]} TO ${[first]}@'%'`,
        sql`SET DEFAULT ROLE ${[role]} FOR ${[first]}@'%'`,
        sql`CREATE USER ${[second]}@'%' ACCOUNT LOCK`,
        sql`GRANT DELETE ON ${[database]}.* TO ${[second]}@'%'`,
      ]);
      await rotated(fixture);
      const [wanted, held] = await Promise.all(
        [first, second].map(async (name) => {
          const lines = await grants(mariadb, name);
          return lines.map((line) => line.replaceAll(name, 'x').replace(/'\*[0-9A-F]{40}'/, ''));
        }),
      );
      expect(held).toEqual(wanted);
      expect(held?.join('\n')).toContain('REQUIRE SSL');
      expect(held?.join('\n')).toContain(role);
      await fixture.close();
      await asAdmin(mariadb, [sql`DROP ROLE ${[role]}`]);
    });

    it('end their open connections when they are retired', async () => {
      const fixture = await begin();
      const open = await connected(mariadb, fixture.current);
      const pending = await rotated(fixture);
      await open.query('SELECT 1');
      await fixture.target.retire(turnOf(pending), fixture.current);
      await expect(open.query('SELECT 1')).rejects.toThrow();
      open.destroy();
      await fixture.close();
    });

    it('have passwords that are in no statement the server logs', async () => {
      const fixture = await begin();
      const pending = await rotated(fixture);
      const log = await readFile(mariadb.generalLogFile, 'utf8');
      expect(log).toContain(fixture.usernames[1]);
      expect(log).not.toContain(pending['password']);
      await fixture.close();
    });

    it('keep the one before when the current value does not log in', async () => {
      const fixture = await begin();
      const pending = await fixture.target.create(turnOf(fixture.current));
      const error = await failureOf(fixture.target.retire(turnOf(pending), fixture.current));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'current_refused' });
      expect(await fixture.logsIn(fixture.current)).toBe(true);
      await fixture.close();
    });

    it('are refused by the test when they cannot read what they are for', async () => {
      const fixture = await begin();
      const { usernames, current } = fixture;
      const target = (await connect()).target('alternating-users', {
        usernames,
        reads: ['mysql.global_priv'],
      });
      const verdict = await target.test(current, contextOf());
      expect(verdict).toEqual({ accepted: false, reason: 'grants_missing' });
      await fixture.close();
    });
  });

  describe('a MariaDB connection', () => {
    it('is not made over TLS to a name that the certificate does not have', async () => {
      const fixture = await make('single-user')();
      const tls = { caFile: mariadb.caFile, serverName: 'elsewhere.example' };
      const { username } = fixture.current;
      const target = (await connect({ tls })).target('single-user', { username });
      const error = await failureOf(target.test(fixture.current, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
      expect(wholeText(error)).not.toContain(fixture.current['password']);
      await fixture.close();
    });

    it('does not change its own user, and has no strategy but its own', async () => {
      const connection = await connect();
      const refusal = expect.objectContaining({ code: 'ERR_BODY_INVALID' });
      const { username } = mariadb;
      expect(() => connection.target('single-user', { username })).toThrow(refusal);
      expect(() => connection.target('toString', { username: 'app' })).toThrow(refusal);
    });
  });
});

/** Names are lists of one, texts are themselves; both as MariaDB quotes them outside NO_BACKSLASH_ESCAPES. */
function sql(
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

async function asAdmin(mariadb: MariaDb, statements: readonly string[]): Promise<string[][]> {
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

async function grants(mariadb: MariaDb, name: string): Promise<readonly string[]> {
  const rows = await asAdmin(mariadb, [sql`SHOW GRANTS FOR ${[name]}@'%'`]);
  return rows.map(([line = '']) => line).sort();
}

/** What CREATE USER and GRANT would say of it, '' where it does not exist. */
async function about(mariadb: MariaDb, name: string): Promise<string> {
  try {
    const [row] = await asAdmin(mariadb, [sql`SHOW CREATE USER ${[name]}@'%'`]);
    return [row?.[0], ...(await grants(mariadb, name))].join('\n');
  } catch {
    return '';
  }
}

async function connected(mariadb: MariaDb, data: SecretData): Promise<mysql.Connection> {
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
