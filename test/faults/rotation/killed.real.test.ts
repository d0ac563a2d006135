import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../../kit/backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../kit/backends/postgres.ts';
import { makePostgresPlace, type PostgresPlace } from '../../kit/databases/postgres-fixture.ts';
import type { BrokerSetup } from '../../kit/broker/prepared-broker.ts';
import { killedAt } from '../../kit/rotation/killed-together.ts';
import { pointsOf } from '../../kit/rotation/fault-points.ts';
import { RotatingBroker } from '../../kit/rotation/rotating-broker.ts';
import { postgresUsers, type PostgresUser } from '../../kit/rotation/postgres-user.ts';
import type { Rotating } from '../../kit/rotation/rotating.ts';
import { openSeveral } from '../../kit/rotation/several.ts';

/** Failpoints for a database server, with which a claim must expire before another process takes over. */
const SHARED = [
  'rotation.create.after_effect',
  'rotation.set.after_effect',
  'rotation.promote.after_effect',
  'rotation.promote.after_done',
  'rotation.retire.after_effect',
];
/** `ROUNDS` in the environment sets a higher number. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 12);
/** A rotation runs from its first step to its last within this time, on an idle machine. */
const LATEST_MS = 500;
/** A minute passes in three seconds, a step's thirty seconds in one and a half. */
const SPEED = 20;

describeWith(['postgres'], 'F01 to F05: a broker killed while a user rotates (I5)', (backends) => {
  const rotating = [
    { path: 'own/alternating', strategy: 'alternating-users' },
    { path: 'own/single', strategy: 'single-user' },
    { path: 'own/manual', strategy: 'alternating-users', more: { retire: 'manual' } },
  ] as const;

  describe('with SQLite', () => {
    let broker: RotatingBroker;
    let place: PostgresPlace;
    beforeAll(async () => {
      place = await makePostgresPlace(backends.postgres);
      broker = await RotatingBroker.start(await postgresUsers(place, rotating));
    });
    afterAll(async () => {
      await broker.remove();
      await place.close();
    });

    it.each(pointsOf('discard'))(
      'keeps the old login working, and revokes the new one, when it is rolled back: %s (F05)',
      async (point) => {
        const path = 'own/manual';
        const before = await broker.current(path);
        expect(await broker.ask(path)).toBe(202);
        await broker.untilAt(path, 'settle');
        const promoted = await broker.current(path);
        expect(promoted.data).not.toEqual(before.data);
        await broker.prepared.arm(point, 'kill');
        await broker.ask(path, 'rollback');
        expect(await broker.prepared.installation.ended()).toBeNull();
        const { current } = await broker.stored(path);
        expect(await broker.logsIn(path, current)).toBe(true);

        await broker.restart();
        await broker.untilEnded(path);
        const after = await broker.current(path);
        expect(after.data).toEqual(before.data);
        expect(await broker.logsIn(path, after.data)).toBe(true);
        expect(await broker.logsIn(path, promoted.data)).toBe(false);
        expect((await broker.history(path))[0]?.state).toBe('rolled_back');
      },
    );

    it('leaves a working login whenever it is killed, and completes the rotation (F03)', async () => {
      const paths = ['own/alternating', 'own/single'] as const;
      for (let round = 0; round < ROUNDS; round += 1) {
        await Promise.all(paths.map((path) => broker.ask(path)));
        // The fault is the moment, so no condition can be awaited.
        await pause(Math.random() * LATEST_MS);
        await broker.prepared.installation.stop('SIGKILL');
        for (const path of paths) {
          const { current, pending } = await broker.stored(path);
          const works = [await broker.logsIn(path, current), await broker.logsIn(path, pending)];
          expect(works).toContain(true);
        }
        await broker.restart();
      }
      const versions: string[] = [];
      for (const path of paths) {
        await broker.untilEnded(path);
        const { data, version } = await broker.current(path);
        expect(await broker.logsIn(path, data)).toBe(true);
        versions.push(version);
      }
      await broker.prepared.installation.stop('SIGKILL');
      for (const [index, path] of paths.entries()) {
        const { rotations, steps } = await broker.stored(path);
        expect(new Set(rotations.map(({ state }) => state))).toEqual(new Set(['done']));
        for (const step of ['create', 'set', 'test', 'promote', 'retire']) {
          expect(steps.filter((said) => said === `${step} done`)).toHaveLength(rotations.length);
        }
        expect(Number(versions[index])).toBe(rotations.length + 1);
      }
      await broker.restart();
    });

    it('keeps a valid log', async () => {
      expect(await broker.prepared.verifiedLog()).toContain('verified: ');
    });
  });

  describe('with PostgreSQL', () => {
    let broker: RotatingBroker;
    let database: TestDatabase;
    let place: PostgresPlace;
    let several: readonly Rotating[];
    const user = (path: string, strategy: PostgresUser['strategy']) => async () => {
      const [made] = await postgresUsers(place, [{ path, strategy }]);
      return made!;
    };
    beforeAll(async () => {
      database = await createDatabase(backends.postgres);
      place = await makePostgresPlace(backends.postgres);
      several = await openSeveral(user('own/alternating', 'alternating-users'), SHARED.length);
      const single = await user('own/single', 'single-user')();
      const clock = { epoch: Date.now(), speed: SPEED };
      broker = await RotatingBroker.start([...several, single], onPostgres(database), clock);
    });
    afterAll(async () => {
      await (broker as RotatingBroker | undefined)?.remove();
      await place.close();
      await database.drop();
    });

    describe('with two alternating users', () => {
      const paths = () => several.map(({ path }) => path);
      killedAt({ broker: () => broker, points: SHARED, paths });
    });
    describe('with a single user', () => {
      const points = ['rotation.set.after_effect'];
      killedAt({ broker: () => broker, points, paths: () => ['own/single'] });
    });
  });
});

function onPostgres({ connectionString }: Pick<TestDatabase, 'connectionString'>): BrokerSetup {
  return {
    files: { dsn: connectionString },
    config: (directory) => ({
      store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
    }),
  };
}
