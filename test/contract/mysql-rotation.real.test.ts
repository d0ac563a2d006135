import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile } from 'node:fs/promises';
import { systemClock } from '../../src/process/clock.ts';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import type { RotationConnection } from '../../src/ports/rotation-target.ts';
import { mysqlConnectionSchema } from '../../src/providers/mysql/config.ts';
import { openMysql } from '../../src/providers/mysql/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import {
  asAdmin,
  connected,
  grants,
  mysqlUsers,
  sql,
  type MysqlStrategy,
} from '../kit/databases/mysql-users.ts';
import { fixtureAt, privateFile, type RotationSetup } from '../kit/rotation/target-fixture.ts';
import {
  HOSTILE_NAMES,
  type RotationFixture,
  type RotationNames,
  rotationTargetContract,
  turnOf,
  wholeText,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

describeWith(['mariadb'], 'rotation on MariaDB', ({ mariadb }) => {
  let file: Awaited<ReturnType<typeof privateFile>>;
  beforeAll(async () => {
    file = await privateFile(mariadb.password);
  });
  afterAll(() => file.remove());

  const connect = async (
    { connection }: RotationSetup,
    changes: object = {},
  ): Promise<RotationConnection> => {
    const config = mysqlConnectionSchema.parse({ ...connection, ...changes });
    return (await openMysql('db', config, { clock: systemClock, connection: 'backend' })).rotation;
  };
  const place = (strategy: MysqlStrategy, names?: RotationNames) =>
    mysqlUsers({ mariadb, passwordFile: file.path }, strategy, names);
  const make = (strategy: MysqlStrategy) => (names?: RotationNames) => {
    const named = place(strategy, names);
    return fixtureAt(named, () => connect(named));
  };

  // A character of four bytes cannot be in a name, which is stored in three.
  const impossibleNames = HOSTILE_NAMES.filter((name) => /[\u{10000}-\u{10ffff}]/u.test(name));
  rotationTargetContract('one MariaDB user', make('single-user'), {
    slots: 'one',
    drillable: false,
    impossibleNames,
  });
  rotationTargetContract('two alternating MariaDB users', make('alternating-users'), {
    slots: 'two',
    drillable: true,
    impossibleNames,
  });

  describe('two alternating MariaDB users', () => {
    const begin = make('alternating-users');
    const rotated = async (fixture: RotationFixture): Promise<SecretData> => {
      const turn = turnOf(fixture.current);
      const pending = await fixture.target.create(turn);
      await fixture.target.set(turn, pending);
      return pending;
    };

    it('have the same rights on columns, routines and tables, roles, TLS and limits, and no more', async () => {
      const fixture = await begin();
      const [first, second] = fixture.usernames;
      const role = uniqueName('role');
      const { database, broker } = fixture;
      await asAdmin(mariadb, [
        sql`CREATE ROLE ${[role]}`,
        sql`GRANT ${[role]} TO ${[broker]}@'127.0.0.1' WITH ADMIN OPTION`,
        sql`GRANT UPDATE ON mysql.* TO ${[broker]}@'127.0.0.1'`,
        sql`GRANT PROCESS ON *.* TO ${[broker]}@'127.0.0.1' WITH GRANT OPTION`,
        sql`GRANT UPDATE ON ${[database]}.* TO ${[broker]}@'127.0.0.1' WITH GRANT OPTION`,
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

    it('get the same TLS requirement and limits by a connection that has none of them', async () => {
      const fixture = await begin();
      const [first, second] = fixture.usernames;
      await asAdmin(mariadb, [
        sql`ALTER USER ${[first]}@'%' REQUIRE SSL WITH MAX_USER_CONNECTIONS 7`,
      ]);
      await rotated(fixture);
      const held = (await grants(mariadb, second)).join();
      expect(held).toContain('REQUIRE SSL WITH MAX_USER_CONNECTIONS 7');
      await fixture.close();
    });

    it('report that the connection may not grant the rights of the first one', async () => {
      const fixture = await begin();
      const [first] = fixture.usernames;
      await asAdmin(mariadb, [sql`GRANT DELETE ON ${[fixture.database]}.* TO ${[first]}@'%'`]);
      const error = await failureOf(rotated(fixture));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_DENIED', reason: 'not_permitted' });
      await fixture.close();
    });

    it('lose their open connections when they are retired', async () => {
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

    it('lock the old user in an incident, and restore a changed current password', async () => {
      const fixture = await begin();
      const pending = await rotated(fixture);
      const [, second] = fixture.usernames;
      await asAdmin(mariadb, [
        sql`ALTER USER ${[second]}@'%' IDENTIFIED BY 'changed by the old user'`,
      ]);
      await fixture.target.retire(turnOf(pending, { isIncident: true }), fixture.current);
      expect(await fixture.logsIn(fixture.current)).toBe(false);
      expect(await fixture.logsIn(pending)).toBe(true);
      await fixture.close();
    });

    it('keep the previous user when the current value does not log in', async () => {
      const fixture = await begin();
      const pending = await fixture.target.create(turnOf(fixture.current));
      const error = await failureOf(fixture.target.retire(turnOf(pending), fixture.current));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'current_refused' });
      expect(await fixture.logsIn(fixture.current)).toBe(true);
      await fixture.close();
    });

    it('fail the test when they cannot read what they need', async () => {
      const fixture = await begin();
      const { usernames, current } = fixture;
      const target = (await connect(place('alternating-users'))).target('alternating-users', {
        usernames,
        reads: ['mysql.global_priv'],
      });
      const verdict = await target.test(current, contextOf());
      const missing = 'SELECT on mysql.global_priv';
      expect(verdict).toEqual({ accepted: false, reason: 'grants_missing', missing });
      await fixture.close();
    });
  });

  describe('a MariaDB connection', () => {
    it('is refused over TLS for a name that the certificate does not have', async () => {
      const fixture = await make('single-user')();
      const tls = { caFile: mariadb.caFile, serverName: 'elsewhere.example' };
      const { username } = fixture.current;
      const target = (await connect(place('single-user'), { tls })).target('single-user', {
        username,
      });
      const error = await failureOf(target.test(fixture.current, contextOf()));
      expect(error).toMatchObject({ code: 'ERR_PROVIDER_UNAVAILABLE', reason: 'tls' });
      expect(wholeText(error)).not.toContain(fixture.current['password']);
      await fixture.close();
    });

    it('does not change its own user, and has only its own strategy', async () => {
      const own = place('single-user');
      const connection = await connect(own);
      const refusal = expect.objectContaining({ code: 'ERR_BODY_INVALID' });
      const { username } = own.connection;
      expect(() => connection.target('single-user', { username })).toThrow(refusal);
      expect(() => connection.target('toString', { username: 'app' })).toThrow(refusal);
    });
  });
});
