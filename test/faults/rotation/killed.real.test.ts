import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWith } from '../../backends/backends.ts';
import { createDatabase, type TestDatabase } from '../../backends/postgres.ts';
import type { Furniture } from '../../e2e/furnished.ts';
import { RotatingBroker, type Login } from './rotating-broker.ts';

/** A step's end is the next one's beginning. */
const MOMENTS = ['after_begun', 'after_effect', 'after_done'] as const;
const pointsOf = (...steps: readonly string[]): readonly string[] =>
  steps.flatMap((step) => MOMENTS.map((moment) => `rotation.${step}.${moment}`));

const STARTED = ['rotation.started.before_commit', 'rotation.started.after_commit'];
const ALTERNATING = [
  ...STARTED,
  'rotation.create.before_begun',
  ...pointsOf('create', 'set', 'test', 'promote', 'retire'),
];
/** Retiring touches nothing with one slot, and creating must not. */
const SINGLE = ['rotation.create.after_effect', ...pointsOf('set', 'promote')];
/** With a database server a claim has to run out before anybody takes over. */
const SHARED = [
  'rotation.create.after_effect',
  'rotation.set.after_effect',
  'rotation.promote.after_effect',
  'rotation.promote.after_done',
  'rotation.retire.after_effect',
];
/** `ROUNDS` in the environment asks for more. */
const ROUNDS = Number(process.env['ROUNDS'] ?? 12);
/** Within it a rotation comes from its first step to its last, on a machine that has nothing else to do. */
const LATEST_MS = 500;
/** A minute passes in three seconds, a step's thirty seconds in one and a half. */
const SPEED = 20;

/** How one strategy on one store is put to death, time and again. */
interface Series {
  readonly path: string;
  readonly points: readonly string[];
  readonly broker: () => RotatingBroker;
}

function killed({ path, points, broker: of }: Series): void {
  it.each(points)(
    'leaves a login that works, and is promoted and retired once: %s',
    async (point) => {
      const broker = of();
      const { furnished } = broker;
      const before = await broker.current(path);
      await furnished.arm(point, 'kill');
      await broker.ask(path);
      expect(await furnished.installation.ended()).toBeNull();
      const { current, pending } = await broker.stored(path);
      const works = [await broker.logsIn(current), await broker.logsIn(pending)];
      expect(works).toContain(true);

      await broker.restart();
      // Nothing was recorded: nothing happened, and who asks again begins afresh.
      if (point === STARTED[0]) {
        expect(await broker.active(path)).toBeUndefined();
        expect((await broker.current(path)).version).toBe(before.version);
        expect(await broker.ask(path)).toBe(202);
      }
      await broker.untilOver(path);
      await expectRotated(broker, path, before, pending as Login | undefined);
    },
    60_000,
  );
}

/** Current logs in and is the value first made; what was before it does not; each step was done once, and the version is the next. */
async function expectRotated(
  broker: RotatingBroker,
  path: string,
  before: { readonly login: Login; readonly version: string },
  pending: Login | undefined,
): Promise<void> {
  const after = await broker.current(path);
  expect(await broker.logsIn(after.login)).toBe(true);
  expect(await broker.logsIn(before.login)).toBe(false);
  if (pending !== undefined) expect(after.login).toEqual(pending);
  expect(Number(after.version)).toBe(Number(before.version) + 1);
  const [rotation] = await broker.history(path);
  const done = rotation?.steps.filter(({ outcome }) => outcome === 'done');
  expect([rotation?.state, rotation?.version]).toEqual(['done', after.version]);
  expect(done?.map(({ step }) => step)).toEqual([
    ...['create', 'set', 'test', 'promote', 'settle', 'retire'],
  ]);
}

describeWith(['postgres'], 'F01 to F05: a broker killed while a user rotates (I5)', (backends) => {
  const rotating = [
    { path: 'own/alternating', strategy: 'alternating-users' },
    { path: 'own/single', strategy: 'single-user' },
    { path: 'own/manual', strategy: 'alternating-users', more: { retire: 'manual' } },
  ] as const;

  describe('with SQLite', () => {
    let broker: RotatingBroker;
    const series = { broker: () => broker };
    beforeAll(async () => {
      broker = await RotatingBroker.start(backends.postgres, rotating);
      await broker.restart();
    }, 60_000);
    afterAll(() => broker.remove());

    describe('that alternates', () => {
      killed({ ...series, path: 'own/alternating', points: ALTERNATING });
    });
    describe('that is single', () => {
      killed({ ...series, path: 'own/single', points: SINGLE });
    });

    it.each(pointsOf('discard'))(
      'leaves the old login working, and ends the new one, when it is rolled back: %s',
      async (point) => {
        const path = 'own/manual';
        const before = await broker.current(path);
        expect(await broker.ask(path)).toBe(202);
        await broker.untilAt(path, 'settle');
        const promoted = await broker.current(path);
        expect(promoted.login).not.toEqual(before.login);
        await broker.furnished.arm(point, 'kill');
        await broker.ask(path, 'rollback');
        expect(await broker.furnished.installation.ended()).toBeNull();
        const { current } = await broker.stored(path);
        expect(await broker.logsIn(current)).toBe(true);

        await broker.restart();
        await broker.untilOver(path);
        const after = await broker.current(path);
        expect(after.login).toEqual(before.login);
        expect(await broker.logsIn(after.login)).toBe(true);
        expect(await broker.logsIn(promoted.login)).toBe(false);
        expect((await broker.history(path))[0]?.state).toBe('rolled_back');
      },
      60_000,
    );

    it('leaves a login that works whenever it is killed, and ends what it began (F03)', async () => {
      const paths = ['own/alternating', 'own/single'] as const;
      for (let round = 0; round < ROUNDS; round += 1) {
        await Promise.all(paths.map((path) => broker.ask(path)));
        // The fault is the instant; no condition says when it is.
        await pause(Math.random() * LATEST_MS);
        await broker.furnished.installation.stop('SIGKILL');
        for (const path of paths) {
          const { current, pending } = await broker.stored(path);
          const works = [await broker.logsIn(current), await broker.logsIn(pending)];
          expect(works).toContain(true);
        }
        await broker.restart();
      }
      for (const path of paths) {
        await broker.untilOver(path);
        const { login, version } = await broker.current(path);
        expect(await broker.logsIn(login)).toBe(true);
        await broker.furnished.installation.stop('SIGKILL');
        const { rotations, steps } = await broker.stored(path);
        expect(new Set(rotations.map(({ state }) => state))).toEqual(new Set(['done']));
        for (const step of ['create', 'set', 'test', 'promote', 'retire']) {
          expect(steps.filter((said) => said === `${step} done`)).toHaveLength(rotations.length);
        }
        expect(Number(version)).toBe(rotations.length + 1);
        await broker.restart();
      }
    }, 240_000);

    it('keeps a log that holds', async () => {
      expect(await broker.furnished.verifiedLog()).toContain('the log holds');
    });
  });

  describe('with PostgreSQL', () => {
    let broker: RotatingBroker;
    let database: TestDatabase;
    const series = { broker: () => broker };
    beforeAll(async () => {
      database = await createDatabase(backends.postgres);
      broker = await RotatingBroker.start(backends.postgres, rotating, {
        furniture: onPostgres(database),
      });
      await broker.restart({ epoch: Date.now(), speed: SPEED });
    }, 60_000);
    afterAll(async () => {
      await (broker as RotatingBroker | undefined)?.remove();
      await database.drop();
    });

    describe('that alternates', () => {
      killed({ ...series, path: 'own/alternating', points: SHARED });
    });
    describe('that is single', () => {
      killed({ ...series, path: 'own/single', points: ['rotation.set.after_effect'] });
    });
  });
});

function onPostgres({ connectionString }: Pick<TestDatabase, 'connectionString'>): Furniture {
  return {
    files: { dsn: connectionString },
    config: (directory) => ({
      store: { type: 'postgres', connectionStringFile: `${directory}/dsn` },
    }),
  };
}
