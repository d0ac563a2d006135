import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import type mysql from 'mysql2/promise';
import { systemClock } from '../../../src/process/clock.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import type { RotationTarget } from '../../../src/ports/rotation-target.ts';
import { mysqlConnectionSchema } from '../../../src/providers/mysql/config.ts';
import { openMysql } from '../../../src/providers/mysql/open.ts';
import { turnOf } from '../../contract/rotation-target.contract.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import {
  asAdmin,
  connected,
  mysqlUsers,
  sql,
  type MysqlStrategy,
} from '../../kit/databases/mysql-users.ts';
import { beginLogin } from '../../kit/databases/delayed-mysql-login.ts';
import { privateFile } from '../../kit/rotation/target-fixture.ts';

/** A login that begins so long after the answer of the broker must fail. */
const NEW_LOGINS_MS = 2_000;

describeWith(['mariadb'], 'a rotation that its holder resists on MariaDB', ({ mariadb }) => {
  let file: Awaited<ReturnType<typeof privateFile>>;
  const closings: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    file = await privateFile(mariadb.password);
  });
  afterEach(async () => {
    for (const close of closings.splice(0).reverse()) await close();
  });
  afterAll(() => file.remove());

  const begin = async (strategy: MysqlStrategy, options: object = {}) => {
    const place = mysqlUsers({ mariadb, passwordFile: file.path }, strategy);
    const made = await place.make();
    closings.push(() => made.close());
    const [username] = made.usernames;
    // The rights that a tenant needs to lock tables, and to leave objects that run with its rights.
    const rights = 'CREATE VIEW, CREATE ROUTINE, EXECUTE, LOCK TABLES';
    await asAdmin(mariadb, [
      `GRANT ${rights} ON ${sql`${[made.database]}.* TO ${[username]}@'%'`}`,
      // The creator of a routine gets ALTER ROUTINE on it, which the broker copies to the second user.
      `GRANT ${rights}, ALTER ROUTINE ON ${sql`${[made.database]}.* TO ${[made.broker]}@'127.0.0.1'`} WITH GRANT OPTION`,
    ]);
    const config = mysqlConnectionSchema.parse(place.connection);
    const { rotation } = await openMysql('db', config, {
      clock: systemClock,
      connection: 'backend',
    });
    const target = rotation.target(strategy, {
      ...(place.options as object),
      ...options,
    });
    return { ...made, username, target };
  };
  const open = async (data: SecretData): Promise<mysql.Connection> => {
    const connection = await connected(mariadb, data);
    closings.push(() => {
      connection.destroy();
      return Promise.resolve();
    });
    return connection;
  };
  const rotate = async (target: RotationTarget, current: SecretData, isIncident = false) => {
    const turn = turnOf(current, { isIncident });
    const pending = await target.create(turn);
    await target.set(turn, pending);
    return pending;
  };
  const connections = async (name: string): Promise<number> => {
    const rows = await asAdmin(mariadb, [
      sql`SELECT 1 FROM information_schema.PROCESSLIST WHERE USER = ${name} AND COMMAND <> 'Killed'`,
    ]);
    return rows.length;
  };
  /** Tries the old login as long as it may still work, and a moment longer. */
  const lastOldLogin = async (logsIn: (data: SecretData) => Promise<boolean>, old: SecretData) => {
    const answered = Date.now();
    let last: number | undefined;
    while (Date.now() < answered + NEW_LOGINS_MS + 500) if (await logsIn(old)) last = Date.now();
    return last === undefined ? 0 : last - answered;
  };
  const keepChanging = async (session: mysql.Connection): Promise<string> => {
    try {
      for (;;) await session.query(`SET PASSWORD = PASSWORD('of the attacker')`);
    } catch {
      return 'ended';
    }
  };

  it('replaces the password of a single user who holds locks, a transaction and a long statement (HT05)', async () => {
    const { target, current, logsIn, database } = await begin('single-user');
    const [locks, transaction, sleeper] = [
      await open(current),
      await open(current),
      await open(current),
    ];
    await locks.query(`SELECT GET_LOCK('quaymaster', 1)`);
    await locks.query(sql`LOCK TABLES ${[database]}.orders WRITE`);
    await transaction.query('START TRANSACTION');
    const sleeping = sleeper.query('SELECT SLEEP(30)').catch(() => 'ended');
    const pending = await rotate(target, current);
    expect(await lastOldLogin(logsIn, current)).toBe(0);
    await locks.query('UNLOCK TABLES');
    expect(await logsIn(pending)).toBe(true);
    await asAdmin(mariadb, [`KILL ${String(sleeper.threadId)}`]);
    expect(await sleeping).toBe('ended');
  });

  it('keeps connections of a single user unless the definition or an incident closes them (HT05)', async () => {
    const { target, current, logsIn } = await begin('single-user');
    const session = await open(current);
    const next = await rotate(target, current);
    expect(await lastOldLogin(logsIn, current)).toBe(0);
    expect(await session.query('SELECT 1')).toBeDefined();
    await rotate(target, next, true);
    await expect(session.query('SELECT 1')).rejects.toThrow();
  });

  it('closes every connection of a single user if the definition says so, however many reconnect (HT05)', async () => {
    const { target, current, username, logsIn } = await begin('single-user', { endSessions: true });
    await Promise.all(Array.from({ length: 20 }, () => open(current)));
    const attack = { isOver: false };
    const coming = (async () => {
      while (!attack.isOver)
        await connected(mariadb, current).then(
          () => undefined,
          () => undefined,
        );
    })();
    const pending = await rotate(target, current);
    attack.isOver = true;
    await coming;
    expect(await lastOldLogin(logsIn, current)).toBe(0);
    expect(await connections(username)).toBe(0);
    expect(await logsIn(pending)).toBe(true);
  });

  it('wins in an incident over connections that set another password repeatedly (HT05)', async () => {
    const { target, current, username, logsIn } = await begin('single-user');
    const sessions = await Promise.all(Array.from({ length: 4 }, () => open(current)));
    const loops = sessions.map(keepChanging);
    const pending = await rotate(target, current, true);
    expect(await Promise.all(loops)).toEqual(['ended', 'ended', 'ended', 'ended']);
    expect(await logsIn(pending)).toBe(true);
    expect(await logsIn({ ...pending, password: 'of the attacker' })).toBe(false);
    expect(await lastOldLogin(logsIn, current)).toBe(0);
    expect(await connections(username)).toBe(0);
  });

  it('aborts in an incident a login that had begun before with the old password (HT05)', async () => {
    const { target, current, username, logsIn } = await begin('single-user');
    const { host, port } = mariadb;
    const login = await beginLogin({
      host,
      port,
      username,
      password: current['password'] as string,
    });
    const pending = await rotate(target, current, true);
    expect(await login.finish()).toBe('refused');
    expect(await connections(username)).toBe(0);
    expect(await logsIn(pending)).toBe(true);
  });

  it('retires one of two users that keeps reconnecting, with a prepared transaction left (HT05)', async () => {
    const { target, current, username, logsIn } = await begin('alternating-users');
    const pending = await rotate(target, current);
    const id = uniqueName('xa');
    const preparing = await open(current);
    for (const step of [`XA START '${id}'`, `XA END '${id}'`, `XA PREPARE '${id}'`])
      await preparing.query(step);
    closings.push(async () => {
      await asAdmin(mariadb, [`XA ROLLBACK '${id}'`]).catch(() => []);
    });
    await Promise.all(Array.from({ length: 10 }, () => open(current)));
    await target.retire(turnOf(pending), current);
    expect(await lastOldLogin(logsIn, current)).toBe(0);
    expect(await connections(username)).toBe(0);
    expect(await logsIn(pending)).toBe(true);
  });

  it('does not reactivate a retired user through objects that it defined (HT05)', async () => {
    const { target, current, database, logsIn } = await begin('alternating-users');
    const session = await open(current);
    await session.query(sql`CREATE VIEW ${[database]}.v AS SELECT * FROM ${[database]}.orders`);
    await session.query(
      sql`CREATE PROCEDURE ${[database]}.p() SQL SECURITY DEFINER SET PASSWORD = PASSWORD('of the attacker')`,
    );
    const pending = await rotate(target, current);
    await target.retire(turnOf(pending), current);
    const other = await open(pending);
    await other.query(sql`CALL ${[database]}.p()`).catch(() => undefined);
    expect(await logsIn(current)).toBe(false);
    expect(await logsIn({ ...current, password: 'of the attacker' })).toBe(false);
    expect(await logsIn(pending)).toBe(true);
  });

  it('gives an attacker nothing who set its own password of one of two users (HT05)', async () => {
    const { target, current, logsIn } = await begin('alternating-users');
    const pending = await rotate(target, current);
    const session = await open(current);
    const changing = keepChanging(session);
    await target.retire(turnOf(pending), current);
    expect(await changing).toBe('ended');
    expect(await logsIn({ ...current, password: 'of the attacker' })).toBe(false);
    expect(await logsIn(pending)).toBe(true);
  });
});
