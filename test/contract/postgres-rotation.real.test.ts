import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { randomBytes } from 'node:crypto';
import type { SecretData } from '../../src/domain/secrets/secret.ts';
import { quoteIdentifier } from '../../src/providers/postgres/quote.ts';
import { postgresAt } from '../../src/providers/postgres/open.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { until } from '../kit/backends/until.ts';
import { makePostgresPlace, type PostgresPlace } from '../kit/databases/postgres-fixture.ts';
import {
  CARRIED,
  type RotationFixture,
  type RotationNames,
  rotationTargetContract,
  turnOf,
} from './rotation-target.contract.ts';
import { contextOf, failureOf } from './secret-provider.contract.ts';

const password = (): string => randomBytes(12).toString('hex');

describeWith(['postgres'], 'users of a PostgreSQL server', ({ postgres }) => {
  let place: PostgresPlace;
  /** An object that a badly quoted hostile name would drop. It may belong to another run, which drops it at its end. */
  let ownVictim = true;
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
    await place.createRole('y', password()).catch(() => {
      ownVictim = false;
    });
  });
  afterAll(() => place.close());

  const rotation = () => postgresAt('payments-db', place.server, { clock: systemClock }).rotation;

  /**
   * The properties of the named roles that a rotation could change, and their objects; no verifier, which has a new
   * salt each time.
   */
  async function stateOf(names: readonly string[]): Promise<string> {
    const rows = await place.query(
      `SELECT r.rolname, r.rolcanlogin, r.rolcreatedb, r.rolconnlimit, p.rolpassword IS NULL,
              (SELECT array_agg(setconfig::text) FROM pg_db_role_setting WHERE setrole = r.oid),
              (SELECT array_agg(m.roleid::regrole::text) FROM pg_auth_members m WHERE m.member = r.oid)
         FROM pg_roles r JOIN pg_authid p ON p.oid = r.oid WHERE r.rolname = ANY($1) ORDER BY 1`,
      [names],
    );
    return JSON.stringify(rows);
  }

  async function bystander(): Promise<() => Promise<string>> {
    const name = uniqueName('y');
    await place.createRole(name, password());
    return () => stateOf(ownVictim ? [name, 'y'] : [name]);
  }

  async function fixture(
    names: readonly string[],
    options: Readonly<Record<string, unknown>>,
    strategy: string,
    current: SecretData,
  ): Promise<RotationFixture> {
    const bystanders = await bystander();
    const restart = async () =>
      postgresAt('payments-db', await place.connect(), { clock: systemClock }).rotation.target(
        strategy,
        options,
      );
    return {
      target: await restart(),
      current,
      restart,
      logsIn: (data) => place.logsIn(data['username'] as string, data['password'] as string),
      state: () => stateOf(names),
      bystanders,
      close: () => Promise.resolve(),
    };
  }

  const unique = (name: string | undefined): string =>
    name === undefined ? uniqueName('app') : `${name}${randomBytes(3).toString('hex')}`;

  async function singleUser(names: RotationNames = {}): Promise<RotationFixture> {
    const username = unique(names.username);
    const current = { ...CARRIED, username, password: names.password ?? password() };
    await place.createRole(username, current.password);
    return fixture([username], { username }, 'single-user', current);
  }

  async function alternating(names: RotationNames = {}): Promise<RotationFixture> {
    const username = unique(names.username);
    const other = `${username}_b`;
    const current = { ...CARRIED, username, password: names.password ?? password() };
    await place.createRole(username, current.password);
    return fixture(
      [username, other],
      { usernames: [username, other] },
      'alternating-users',
      current,
    );
  }

  rotationTargetContract('a single user of PostgreSQL', singleUser, {
    slots: 'one',
    drillable: false,
  });
  rotationTargetContract('two users of PostgreSQL, the second created by the broker', alternating, {
    slots: 'two',
    drillable: true,
  });

  describe('a single user', () => {
    it('has its password in no statement that the server could log', async () => {
      const { target, current } = await singleUser();
      const seen: string[] = [];
      const server = await place.connect();
      const watched = {
        ...server,
        host: server.host,
        port: server.port,
        username: server.username,
        read: server.read.bind(server),
        logIn: server.logIn.bind(server),
        change: ((context, work) =>
          server.change(context, (session) =>
            work({
              wasAsked: session.wasAsked,
              transaction: session.transaction.bind(session),
              query: (text, values) => {
                seen.push(text, ...(values ?? []).flat());
                return session.query(text, values);
              },
            }),
          )) as typeof server.change,
      };
      const turn = turnOf(current);
      const pending = await target.create(turn);
      const options = { username: current['username'] };
      await postgresAt('x', watched, { clock: systemClock })
        .rotation.target('single-user', options)
        .set(turn, pending);
      expect(seen.join('\n')).toContain('SCRAM-SHA-256$');
      expect(seen.join('\n')).not.toContain(pending['password']);
    });

    it('conflicts if it does not exist, and is not created', async () => {
      const username = uniqueName('absent');
      const target = rotation().target('single-user', { username });
      const current = { username, password: password() };
      const turn = turnOf(current);
      const error = await failureOf(target.set(turn, await target.create(turn)));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'role_missing' });
    });

    it('keeps its login under the keys that the definition names', async () => {
      const { current } = await singleUser();
      const username = current['username'] as string;
      const keys = { username: 'user', password: 'pass' };
      const target = rotation().target('single-user', { username, keys });
      const turn = turnOf({ user: username, pass: current['password']!, password: 'of another' });
      const pending = await target.create(turn);
      await target.set(turn, pending);
      expect(pending['password']).toBe('of another');
      expect(await place.logsIn(username, pending['pass'] as string)).toBe(true);
    });

    it('conflicts if the value has another name, before any call', async () => {
      const { target } = await singleUser();
      const turn = turnOf({ username: 'postgres', password: 'x' });
      const expected = { code: 'ERR_CONFLICT', reason: 'username_mismatch' };
      expect(await failureOf(target.create(turn))).toMatchObject(expected);
      expect(await failureOf(target.set(turn, turn.current!))).toMatchObject(expected);
    });

    it('is tested for its required rights', async () => {
      const { current } = await singleUser();
      const username = current['username'] as string;
      const table = `"s""; GRANT ALL; --"."t'${randomBytes(3).toString('hex')}"`;
      await place.query(`CREATE SCHEMA IF NOT EXISTS "s""; GRANT ALL; --"`);
      await place.query(`CREATE TABLE ${table} (id int)`);
      const grants = [{ on: table, privileges: ['SELECT', 'INSERT'] }];
      const target = rotation().target('single-user', { username, grants });
      await place.query(`GRANT SELECT ON ${table} TO ${quoteIdentifier(username)}`);
      const missing = { accepted: false, reason: 'grants_missing' };
      // Without USAGE on the schema, PostgreSQL does not tell which privileges on its tables exist.
      expect(await target.test(current, contextOf())).toEqual(missing);
      await place.query(
        `GRANT USAGE ON SCHEMA "s""; GRANT ALL; --" TO ${quoteIdentifier(username)}`,
      );
      expect(await target.test(current, contextOf())).toEqual({
        ...missing,
        missing: `INSERT on ${table}`,
      });
      await place.query(`GRANT INSERT ON ${table} TO ${quoteIdentifier(username)}`);
      expect(await target.test(current, contextOf())).toEqual({ accepted: true });
      const elsewhere = rotation().target('single-user', {
        username,
        grants: [{ on: 'public.no_such_table', privileges: ['SELECT'] }],
      });
      expect(await elsewhere.test(current, contextOf())).toEqual({
        ...missing,
        missing: 'SELECT on public.no_such_table',
      });
    });
  });

  describe('the second of two users', () => {
    /** Two users, of which the first has many rights of different kinds. */
    async function entitled() {
      const made = await alternating();
      const first = made.current['username'] as string;
      const second = `${first}_b`;
      const own = quoteIdentifier(first);
      const group = uniqueName('group');
      const schema = uniqueName('s').replace('-', '_');
      for (const statement of [
        `CREATE ROLE ${quoteIdentifier(group)}`,
        `GRANT ${quoteIdentifier(group)} TO ${own}`,
        `CREATE SCHEMA ${schema}`,
        `CREATE TABLE ${schema}.direct (id serial, secret text)`,
        `CREATE TABLE ${schema}.grouped (id int)`,
        `CREATE TABLE ${schema}.guarded (owner text)`,
        `INSERT INTO ${schema}.guarded VALUES ('${first}'), ('another')`,
        `ALTER TABLE ${schema}.guarded ENABLE ROW LEVEL SECURITY`,
        `CREATE POLICY own ON ${schema}.guarded USING (owner = current_user)`,
        `GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${own}`,
        `GRANT SELECT ON ${schema}.guarded TO ${own}`,
        `GRANT SELECT (id), INSERT ON ${schema}.direct TO ${own}`,
        `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${own}`,
        `GRANT SELECT ON ${schema}.grouped TO ${quoteIdentifier(group)}`,
        `ALTER ROLE ${own} SET search_path TO ${schema}, "$user", "odd, ""name"""`,
        `ALTER ROLE ${own} SET work_mem TO '7MB'`,
        `ALTER ROLE ${own} CONNECTION LIMIT 7`,
        `ALTER ROLE ${own} IN DATABASE ${quoteIdentifier(place.database)} SET lock_timeout TO '9s'`,
      ]) {
        await place.query(statement);
      }
      return { ...made, first, second, schema };
    }
    async function turned() {
      const made = await entitled();
      const turn = turnOf(made.current);
      const pending = await made.target.create(turn);
      await made.target.set(turn, pending);
      return { ...made, turn, pending };
    }

    it('has the rights and settings of the first, and shares ownership of new objects with it', async () => {
      const { target, pending, current, first, second, schema } = await turned();
      expect(pending['username']).toBe(second);
      expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
      const session = await place.openSession(second, pending['password'] as string);
      const answer = async (text: string) =>
        Object.values((await session.query<Record<string, unknown>>(text)).rows[0] ?? {})[0];
      await session.query(`INSERT INTO direct (secret) VALUES ('x')`);
      expect(await answer('SELECT count(id)::int FROM direct')).toBe(1);
      expect(await answer('SELECT count(*)::int FROM grouped')).toBe(0);
      expect(await answer('SELECT owner FROM guarded')).toBe(first);
      expect(await answer('SELECT current_user')).toBe(first);
      expect(await answer('SHOW search_path')).toBe(`${schema}, "$user", "odd, ""name"""`);
      expect(await answer('SHOW work_mem')).toBe('7MB');
      expect(await answer('SHOW lock_timeout')).toBe('9s');
      await expect(session.query('SELECT secret FROM direct')).rejects.toMatchObject({
        code: '42501',
      });
      await session.query('CREATE TABLE made_later (id int)');
      await session.end();
      const old = await place.openSession(first, current['password'] as string);
      await old.query('ALTER TABLE made_later ADD COLUMN more int');
      await old.end();
      const [row] = await place.query('SELECT rolconnlimit FROM pg_roles WHERE rolname = $1', [
        second,
      ]);
      expect(row).toEqual([7]);
    });

    it('gets later rights of the first at once, and its settings with the next rotation', async () => {
      const { target, pending, current, first, second, schema } = await turned();
      await place.query(`CREATE TABLE ${schema}.later (id int)`);
      await place.query(`GRANT SELECT ON ${schema}.later TO ${quoteIdentifier(first)}`);
      await place.query(`ALTER ROLE ${quoteIdentifier(first)} SET work_mem TO '8MB'`);
      await place.query(`ALTER ROLE ${quoteIdentifier(first)} RESET search_path`);
      const back = turnOf(pending);
      const again = await target.create(back);
      expect(again['username']).toBe(first);
      await target.set(back, again);
      await target.retire(turnOf(again), pending);
      expect(await place.logsIn(first, current['password'] as string)).toBe(false);
      const forth = turnOf(again);
      const third = await target.create(forth);
      await target.set(forth, third);
      const session = await place.openSession(second, third['password'] as string);
      await session.query(`SELECT * FROM ${schema}.later`);
      expect((await session.query('SHOW work_mem')).rows).toEqual([{ work_mem: '8MB' }]);
      expect((await session.query('SHOW search_path')).rows).toEqual([
        { search_path: '"$user", public' },
      ]);
      await session.end();
    });

    it('uses an existing second user, and refuses it if it has fewer rights', async () => {
      const { target, current, second, schema } = await entitled();
      await place.createRole(second, password());
      const turn = turnOf(current);
      const pending = await target.create(turn);
      await target.set(turn, pending);
      expect(await target.test(pending, contextOf())).toEqual({
        accepted: false,
        reason: 'grants_missing',
        missing: expect.stringMatching(
          /^(?:[A-Z]+ on (?:relation|schema|database) \S+|membership in \S+)$/,
        ),
      });
      const before = await stateOf([second]);
      expect(before).not.toContain('search_path');
      expect(schema).not.toBe('');
    });

    it('is refused if the first is a superuser', async () => {
      const { target, current, first } = await entitled();
      await place.query(`ALTER ROLE ${quoteIdentifier(first)} SUPERUSER`);
      const turn = turnOf(current);
      const error = await failureOf(target.set(turn, await target.create(turn)));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'role_superuser' });
      await place.query(`ALTER ROLE ${quoteIdentifier(first)} NOSUPERUSER`);
    });

    it('keeps working when the first is retired, whose sessions end', async () => {
      const { target, current, pending, first, second } = await turned();
      const session = await place.openSession(first, current['password'] as string);
      const ended = new Promise((resolve) => session.once('end', resolve));
      const other = await place.openSession(second, pending['password'] as string);
      await target.retire(turnOf(pending), current);
      await ended;
      expect((await other.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await other.end();
    });

    it('keeps sessions if the definition says so', async () => {
      const { current, pending, first, second } = await turned();
      const options = { usernames: [first, second], endSessions: false };
      const target = rotation().target('alternating-users', options);
      const session = await place.openSession(first, current['password'] as string);
      await target.retire(turnOf(pending), current);
      expect(await place.logsIn(first, current['password'] as string)).toBe(false);
      expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
      await session.end();
    });

    it('prevents that the first is retired while it does not log in itself', async () => {
      const { target, current, pending, second } = await turned();
      await place.query(`ALTER ROLE ${quoteIdentifier(second)} PASSWORD 'changed by another user'`);
      const error = await failureOf(target.retire(turnOf(pending), current));
      expect(error).toMatchObject({ code: 'ERR_CONFLICT', reason: 'current_refused' });
      expect(await place.logsIn(current['username'] as string, current['password'] as string)).toBe(
        true,
      );
    });

    it('is set by two processes at once, one after the other', async () => {
      const { target, current, turn } = await (async () => {
        const made = await entitled();
        return { ...made, turn: turnOf(made.current) };
      })();
      const pending = await target.create(turn);
      await Promise.all([target.set(turn, pending), target.set(turn, pending)]);
      expect(await target.test(pending, contextOf())).toEqual({ accepted: true });
      expect(await target.test(current, contextOf())).toEqual({ accepted: true });
    });
  });

  it('reports missing rights of the broker, without text of the server', async () => {
    const name = uniqueName('foreign');
    await place.query(`CREATE ROLE ${quoteIdentifier(name)} LOGIN SUPERUSER PASSWORD 'x'`);
    const target = rotation().target('single-user', { username: name });
    const turn = turnOf({ username: name, password: 'x' });
    const error = await failureOf(target.set(turn, await target.create(turn)));
    expect(error).toMatchObject({ code: 'ERR_PROVIDER_DENIED', reason: 'not_permitted' });
    expect(error.detail).toBeUndefined();
    await place.query(`DROP ROLE ${quoteIdentifier(name)}`);
  });

  it('leaves no session of the broker at the server', async () => {
    await until("the broker's sessions end", async () => {
      const rows = await place.query('SELECT 1 FROM pg_stat_activity WHERE usename = $1', [
        place.admin,
      ]);
      return rows.length === 0;
    });
  });
});
