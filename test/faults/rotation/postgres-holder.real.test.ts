import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/process/clock.ts';
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { postgresAt } from '../../../src/providers/postgres/open.ts';
import { describeWith } from '../../kit/backends/backends.ts';
import type { Postgres } from '../../kit/backends/postgres.ts';
import { uniqueName } from '../../kit/backends/unique-name.ts';
import { until } from '../../kit/backends/until.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import { turnOf } from '../../contract/rotation-target.contract.ts';

/** A holder of the password that a rotation replaces. */
interface Holder {
  readonly first: string;
  readonly second: string;
  readonly current: SecretData;
}

async function keepChanging(session: pg.Client, role = 'CURRENT_USER'): Promise<void> {
  try {
    for (;;) {
      await session
        .query(`ALTER ROLE ${role} PASSWORD 'of the attacker'`)
        .catch((error: unknown) => {
          if ((error as { code?: string }).code !== 'XX000') throw error;
        });
    }
  } catch {
    // The session was terminated.
  }
}

function attacks(postgres: Postgres): void {
  let place: PostgresPlace;
  beforeAll(async () => {
    place = await makePostgresPlace(postgres);
  });
  afterAll(() => place.close());

  const begin = async (): Promise<Holder> => {
    const first = uniqueName('app');
    const password = randomBytes(12).toString('hex');
    await place.createRole(first, password);
    return { first, second: `${first}_b`, current: { username: first, password } };
  };
  const open = ({ username, password }: SecretData) =>
    place.openSession(username as string, password as string);
  const logsIn = ({ username, password }: SecretData) =>
    place.logsIn(username as string, password as string);
  const sessionsOf = async (name: string): Promise<number> =>
    (await place.query('SELECT 1 FROM pg_stat_activity WHERE usename = $1', [name])).length;
  const single = ({ first }: Holder, options: object = {}) =>
    postgresAt('db', place.server, { clock: systemClock }).rotation.target('single-user', {
      username: first,
      ...options,
    });
  const alternating = ({ first, second }: Holder) =>
    postgresAt('db', place.server, { clock: systemClock }).rotation.target('alternating-users', {
      usernames: [first, second],
    });
  const setPending = async (holder: Holder, isIncident = false) => {
    const target = alternating(holder);
    const turn = turnOf(holder.current, { isIncident });
    const pending = await target.create(turn);
    await target.set(turn, pending);
    return { target, pending };
  };

  it('replaces the password of a single user who keeps its own row locked (HT04)', async () => {
    const holder = await begin();
    const session = await open(holder.current);
    await session.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [
      `quaymaster role ${holder.first}`,
    ]);
    await session.query('BEGIN');
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    const turn = turnOf(holder.current);
    const pending = await single(holder).create(turn);
    await single(holder).set(turn, pending);
    expect(await logsIn(pending)).toBe(true);
    expect(await logsIn(holder.current)).toBe(false);
  });

  it('replaces the password of a single user who prepared a transaction on its own row (HT04)', async () => {
    const holder = await begin();
    const session = await open(holder.current);
    await session.query('BEGIN');
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    await session.query(`PREPARE TRANSACTION '${holder.first}'`);
    await session.end();
    const turn = turnOf(holder.current);
    const pending = await single(holder).create(turn);
    await single(holder).set(turn, pending);
    expect(await logsIn(pending)).toBe(true);
  });

  it('terminates the sessions of a single user in an incident, which would otherwise change the password again (HT04)', async () => {
    const holder = await begin();
    const sessions = await Promise.all(Array.from({ length: 4 }, () => open(holder.current)));
    const loops = sessions.map((session) => keepChanging(session));
    const turn = turnOf(holder.current, { isIncident: true });
    const pending = await single(holder).create(turn);
    await single(holder).set(turn, pending);
    expect(await logsIn(pending)).toBe(true);
    expect(await logsIn({ ...pending, password: 'of the attacker' })).toBe(false);
    await Promise.all(loops);
    await until('no session is left', async () => (await sessionsOf(holder.first)) === 0);
  });

  it('keeps open sessions of a single user if nothing requests their end (HT04)', async () => {
    const holder = await begin();
    const session = await open(holder.current);
    const turn = turnOf(holder.current);
    const pending = await single(holder).create(turn);
    await single(holder).set(turn, pending);
    expect((await session.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await single(holder, { endSessions: true }).set(turnOf(holder.current), pending);
    await expect(session.query('SELECT 1')).rejects.toThrow();
  });

  it('retires a user who keeps its own row locked (HT04)', async () => {
    const holder = await begin();
    const { target, pending } = await setPending(holder);
    const session = await open(holder.current);
    await session.query('BEGIN');
    await session.query(`ALTER ROLE CURRENT_USER PASSWORD 'q'`);
    await target.retire(turnOf(pending), holder.current);
    expect(await logsIn(holder.current)).toBe(false);
    expect(await sessionsOf(holder.first)).toBe(0);
    expect(await logsIn(pending)).toBe(true);
  });

  it('retires in an incident a user whose sessions act as the current one and change its password (HT04)', async () => {
    const holder = await begin();
    const { target, pending: ofSecond } = await setPending(holder);
    await target.retire(turnOf(ofSecond), holder.current);
    const back = turnOf(ofSecond, { isIncident: true });
    const ofFirst = await target.create(back);
    await target.set(back, ofFirst);
    const attacker = await open(ofSecond);
    await attacker.query(`ALTER ROLE CURRENT_USER PASSWORD 'of the attacker'`);
    await target.retire(turnOf(ofFirst, { isIncident: true }), ofSecond);
    expect(await logsIn(ofFirst)).toBe(true);
    expect(await logsIn(ofSecond)).toBe(false);
    expect(await logsIn({ ...ofFirst, password: 'of the attacker' })).toBe(false);
    expect(await sessionsOf(holder.second)).toBe(0);
  });
}

describeWith(['postgres'], 'a rotation that its holder resists on PostgreSQL 18', ({ postgres }) =>
  attacks(postgres),
);
describeWith(
  ['postgres15'],
  'a rotation that its holder resists on PostgreSQL 15',
  ({ postgres15 }) => attacks(postgres15),
);
