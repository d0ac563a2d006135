import { afterAll, beforeAll, expect, it } from '@jest/globals';
import mysql from 'mysql2/promise';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/process/clock.ts';
import { connectMysql } from '../../../src/providers/mysql/client/server.ts';
import { mysqlConnectionSchema } from '../../../src/providers/mysql/config.ts';
import { mysqlAt } from '../../../src/providers/mysql/open.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import { asAdmin } from '../../kit/databases/mysql-users.ts';
import { contextOf, failureOf } from '../../contract/secret-provider.contract.ts';
import { beginLogin } from '../../kit/databases/delayed-mysql-login.ts';
import { PATIENT } from '../../kit/providers/longest-timeout.ts';

const RIGHTS =
  'SELECT, INSERT, CREATE, DROP, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, EXECUTE, TRIGGER, EVENT';
const workload = { cluster: 'c', namespace: 'n', serviceAccount: 's', serviceAccountUid: 'u' };

describeWith(['mariadb'], 'a credential of a hostile tenant of MariaDB', ({ mariadb }) => {
  const { host, port } = mariadb;
  const database = uniqueName('db').replaceAll('-', '_');
  const broker = uniqueName('broker');
  let directory: string;
  let passwordFile: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-hostile-mysql-'));
    passwordFile = join(directory, 'password');
    await writeFile(passwordFile, mariadb.password, { mode: 0o600 });
    await asAdmin(mariadb, [
      `CREATE DATABASE ${database}`,
      `CREATE TABLE ${database}.orders (id INT)`,
      `CREATE USER '${broker}'@'127.0.0.1' IDENTIFIED BY '${mariadb.password}'`,
      `GRANT CREATE USER, PROCESS, CONNECTION ADMIN ON *.* TO '${broker}'@'127.0.0.1'`,
      `GRANT SELECT ON mysql.* TO '${broker}'@'127.0.0.1'`,
      `GRANT ${RIGHTS}, ALTER ROUTINE ON ${database}.* TO '${broker}'@'127.0.0.1' WITH GRANT OPTION`,
    ]);
  });
  afterAll(async () => {
    await asAdmin(mariadb, [`DROP DATABASE ${database}`, `DROP USER '${broker}'@'127.0.0.1'`]);
    await rm(directory, { recursive: true });
  });

  const connected = async () => {
    const config = mysqlConnectionSchema.parse({
      type: 'mysql',
      host,
      port,
      username: broker,
      passwordFile,
      locators: ['credentials/*'],
      limits: PATIENT,
    });
    return connectMysql(config, { clock: systemClock, connection: 'backend' });
  };
  const issue = async (options: object = {}) => {
    const provider = mysqlAt('db', await connected()).provider.mount({
      roles: { rw: { creation: [`GRANT ${RIGHTS} ON ${database}.* TO {{name}}`] } },
      ...options,
    });
    const credentials = provider.credentials!;
    const handle = credentials.begin({
      intentId: uniqueName('int'),
      workload,
      ttlSeconds: 60,
      ref: undefined,
      locator: provider.locate('rw'),
    });
    await credentials.prepare(handle, contextOf());
    const { data } = await credentials.issue(handle, contextOf());
    const { username, password } = data as Readonly<Record<'username' | 'password', string>>;
    const open = async (): Promise<mysql.Connection> => {
      const connection = await mysql.createConnection({
        host,
        port,
        database,
        user: username,
        password,
        multipleStatements: true,
      });
      connection.on('error', () => undefined);
      return connection;
    };
    return { username, password, open, revoke: () => credentials.revoke(handle, contextOf()) };
  };
  type Tenant = Awaited<ReturnType<typeof issue>>;
  /** '' when no login is possible, no connection is left, and nothing of it can run. */
  const remains = async ({ username, open }: Tenant): Promise<string> => {
    const found: string[] = [];
    const logsIn = await open().then(
      () => true,
      () => false,
    );
    if (logsIn) found.push('logs in');
    const [rows] = [
      await asAdmin(mariadb, [
        `SELECT 'a connection' FROM information_schema.PROCESSLIST WHERE USER = '${username}' AND COMMAND <> 'Killed'
         UNION ALL SELECT 'an account' FROM mysql.user WHERE User = '${username}'`,
      ]),
    ];
    return [...found, ...rows.flat()].join(', ');
  };
  const revoked = async (tenant: Tenant): Promise<string> => {
    await tenant.revoke();
    return remains(tenant);
  };
  const definedBy = async ({ username }: Tenant): Promise<number> => {
    const of = `WHERE DEFINER LIKE '${username}@%'`;
    const rows = await asAdmin(mariadb, [
      `SELECT 1 FROM information_schema.VIEWS ${of} UNION ALL SELECT 1 FROM information_schema.TRIGGERS ${of}
       UNION ALL SELECT 1 FROM information_schema.EVENTS ${of} UNION ALL SELECT 1 FROM information_schema.ROUTINES ${of}`,
    ]);
    return rows.length;
  };
  const define = async (tenant: Tenant): Promise<string> => {
    const name = uniqueName('x').replaceAll('-', '_');
    const session = await tenant.open();
    for (const statement of [
      `CREATE VIEW v_${name} AS SELECT * FROM orders`,
      `CREATE PROCEDURE p_${name}() SQL SECURITY DEFINER SELECT * FROM orders`,
      `CREATE EVENT e_${name} ON SCHEDULE EVERY 1 SECOND DO INSERT INTO orders VALUES (1)`,
      `CREATE TABLE t_${name} (id INT)`,
      `CREATE TRIGGER g_${name} BEFORE INSERT ON t_${name} FOR EACH ROW SET NEW.id = 1`,
    ]) {
      await session.query(statement);
    }
    return name;
  };

  it('is revoked while the tenant holds user locks, table locks and an open transaction (HT05)', async () => {
    const tenant = await issue();
    const [locks, transaction] = [await tenant.open(), await tenant.open()];
    await locks.query(`SELECT GET_LOCK('quaymaster', 1)`);
    await transaction.query('START TRANSACTION');
    await transaction.query('INSERT INTO orders VALUES (1)');
    expect(await revoked(tenant)).toBe('');
  });

  it('is revoked while the tenant keeps reconnecting with as many connections as it can get, which are limited (HT05)', async () => {
    const tenant = await issue();
    const opened = await Promise.allSettled(Array.from({ length: 60 }, () => tenant.open()));
    const count = opened.filter(({ status }) => status === 'fulfilled').length;
    expect(count).toBeGreaterThan(10);
    expect(count).toBeLessThan(60);
    const coming = (async () => {
      for (;;) {
        const failed = await tenant.open().then(
          () => 0,
          (error: unknown) => (error as { errno: number }).errno,
        );
        if (failed === 1045 || failed === 4151) return;
      }
    })();
    expect(await revoked(tenant)).toBe('');
    await coming;
  });

  it('is revoked while a connection of the tenant runs a long statement (HT05)', async () => {
    const tenant = await issue();
    const session = await tenant.open();
    const running = session.query('SELECT SLEEP(30)').catch(() => 'ended');
    expect(await revoked(tenant)).toBe('');
    expect(await running).toBe('ended');
  });

  it('is revoked while a transaction of the tenant is prepared, whose locks need no connection (HT05)', async () => {
    const tenant = await issue();
    const session = await tenant.open();
    const id = uniqueName('xa');
    await session.query(
      `XA START '${id}'; INSERT INTO orders VALUES (1); XA END '${id}'; XA PREPARE '${id}'`,
    );
    expect(await revoked(tenant)).toBe('');
    await asAdmin(mariadb, [`XA ROLLBACK '${id}'`]);
  });

  it('cannot be used by a login that had begun before (HT05)', async () => {
    const tenant = await issue();
    const other = await beginLogin({ host, port, ...tenant });
    expect(await other.finish()).toBe('logged in');
    const login = await beginLogin({ host, port, ...tenant });
    expect(await revoked(tenant)).toBe('');
    expect(await login.finish()).toBe('refused');
    expect(await remains(tenant)).toBe('');
  });

  it('is listed while views, routines, triggers and events of the tenant are left, none of which runs (HT05)', async () => {
    const tenant = await issue();
    const name = await define(tenant);
    const failure = await failureOf(tenant.revoke());
    expect(failure).toMatchObject({ code: 'ERR_CONFLICT', reason: 'owns_objects' });
    expect(failure.detail).toContain('4 views');
    expect(await remains(tenant)).toBe('');
    for (const use of [
      `SELECT * FROM ${database}.v_${name}`,
      `CALL ${database}.p_${name}()`,
      `INSERT INTO ${database}.t_${name} VALUES (1)`,
    ]) {
      await expect(asAdmin(mariadb, [use])).rejects.toThrow('definer');
    }
    await asAdmin(mariadb, [
      `DROP VIEW ${database}.v_${name}`,
      `DROP PROCEDURE ${database}.p_${name}`,
      `DROP EVENT ${database}.e_${name}`,
      `DROP TRIGGER ${database}.g_${name}`,
    ]);
    expect(await revoked(tenant)).toBe('');
  });

  it('leaves none of its definitions if the mount says so (HT05)', async () => {
    const tenant = await issue({ objects: 'drop' });
    await define(tenant);
    expect(await definedBy(tenant)).toBe(4);
    expect(await revoked(tenant)).toBe('');
    expect(await definedBy(tenant)).toBe(0);
  });

  it('is not created again, without a password, by a GRANT after its revocation (HT05)', async () => {
    const server = await connected();
    const name = uniqueName('qm');
    const granting = server.change(contextOf(), (session) =>
      session.run(`GRANT SELECT ON ${database}.* TO \`${name}\`@\`%\``),
    );
    expect((await failureOf(granting)).code).toMatch(/^ERR_PROVIDER_/);
    const rows = await asAdmin(mariadb, [`SELECT 1 FROM mysql.user WHERE User = '${name}'`]);
    expect(rows).toEqual([]);
  });
});
