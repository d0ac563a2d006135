import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { requestRotation } from '../../../src/rotation/request-rotation.ts';
import { BrokerError, type Problem } from '../../../src/domain/errors.ts';
import { until } from '../../kit/backends/until.ts';
import { codeOf } from '../../kit/broker/test-broker.ts';
import { definition, PATH, RotationBench } from '../../kit/rotation/rotation-bench.ts';
import { countRows } from '../../kit/store/table-rows.ts';

let bench: RotationBench;
beforeEach(async () => {
  bench = await RotationBench.open({ schedule: { every: '1h' } });
});
afterEach(async () => bench.close());

/** Pointers of the problems of a definition of `path`. */
function problemsOf(rotation: object, path: string): Promise<readonly Problem[]> {
  return bench.define(rotation, path).then(
    () => [],
    (error: unknown) => BrokerError.from(error).problems ?? [],
  );
}
async function pointersOf(rotation: object, path = 'app/other'): Promise<readonly string[]> {
  return (await problemsOf(rotation, path)).map(({ pointer }) => pointer);
}
const DAY = 24 * 3_600_000;
const other = { options: { user: 'other' } };

describe('a definition that rotates', () => {
  it.each([
    ['an unknown connection', { connection: 'nowhere' }, '/rotation/connection'],
    ['an unknown strategy', { strategy: 'magic' }, '/rotation/strategy'],
    ['options that the strategy refuses', { options: { user: '' } }, '/rotation/options/user'],
    ['a place outside the bounds', { options: { user: 'a/b' } }, '/rotation/options'],
    ['a bad cron line', { ...other, schedule: { cron: 'x y z' } }, '/rotation/schedule/cron'],
    [
      'nothing to retire',
      { options: { user: 'o', slots: 'one' }, retire: 'manual' },
      '/rotation/retire',
    ],
    [
      'no second slot for a canary',
      { options: { user: 'o', slots: 'one' }, canary: {} },
      '/rotation/canary',
    ],
    [
      'no second slot for a drill',
      { options: { user: 'o', slots: 'one' }, drill: { every: '1d' } },
      '/rotation/drill',
    ],
    [
      'values that expire before the next',
      {
        options: { user: 'o', lifetimeSeconds: 30 * 86_400 },
        schedule: { every: '30d' },
      },
      '/rotation/schedule',
    ],
  ])('is refused for %s', async (_name, rotation, pointer) => {
    expect(await pointersOf(rotation)).toEqual([pointer]);
  });

  it('is refused outside the prefixes of the connection, and on a read-only mount', async () => {
    expect(await pointersOf(other, 'dyn/x')).toEqual(['/rotation']);
    await bench.broker.put(bench.admin, 'mount', 'far', { prefix: 'far', connection: 'embedded' });
    const [problem, ...others] = await problemsOf(other, 'far/x');
    expect(others).toEqual([]);
    expect(problem?.pointer).toBe('/rotation/connection');
    expect(problem?.message).toContain('"far/**"');
  });

  it('is refused for dynamic credentials', async () => {
    const dynamic = { class: 'dynamic', ...definition(other) };
    expect(await codeOf(bench.broker.put(bench.admin, 'definition', 'dyn/x', dynamic))).toBe(
      'ERR_BODY_INVALID',
    );
  });

  it('is refused for an account that another definition rotates', async () => {
    expect(await codeOf(bench.define({}, 'app/other'))).toBe('ERR_CONFLICT');
    expect(await codeOf(bench.define(other, 'app/other'))).toBe('no error');
  });

  it('has a schedule row that follows its changes and its deletion', async () => {
    const now = bench.broker.clock.now();
    expect((await bench.schedule())?.next_run_at).toBe(now + 3_600_000);
    await bench.define({ schedule: { every: '1d' }, drill: { every: '2d' } });
    expect(await bench.schedule()).toMatchObject({
      next_run_at: now + DAY,
      next_drill_at: now + 2 * DAY,
      definition_version: 2,
    });
    await bench.define({ schedule: { every: '1d' }, paused: true });
    expect(await bench.schedule()).toMatchObject({ next_run_at: null, next_drill_at: null });
    await bench.broker.remove(bench.admin, 'definition', PATH);
    expect(await bench.schedule()).toBeUndefined();
  });

  it('loses its schedule row when it stops rotating', async () => {
    await bench.broker.put(bench.admin, 'definition', PATH, {});
    expect(await bench.schedule()).toBeUndefined();
  });

  it('keeps the proof of its credential when it changes', async () => {
    bench.work();
    await bench.pass(3_600_000 + 20_000);
    const before = await bench.schedule();
    await bench.define({ schedule: { every: '1d' } });
    const { rotated_at, next_run_at } = (await bench.schedule())!;
    expect(rotated_at).toBe(before!.rotated_at);
    expect(next_run_at).toBe(rotated_at! + DAY);
  });
});

describe('while a rotation is in progress', () => {
  beforeEach(async () => {
    const order = { path: PATH, kind: 'rotation', incident: false } as const;
    await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
  });

  it.each([
    ['deleted', () => bench.broker.remove(bench.admin, 'definition', PATH)],
    ['given another strategy', () => bench.define({ options: { slots: 'one' } })],
    ['changed to rotate no more', () => bench.broker.put(bench.admin, 'definition', PATH, {})],
    ['taken off its mount', () => bench.broker.remove(bench.admin, 'mount', 'app')],
  ])('its definition is not %s', async (_name, change) => {
    expect(await codeOf(change())).toBe('ERR_CONFLICT');
  });

  it('the definition may get another schedule', async () => {
    await bench.define({ schedule: { every: '1d' } });
    bench.work();
    await bench.pass(60_000);
    expect(await bench.latest()).toMatchObject({ state: 'done' });
    const { rotated_at, next_run_at } = (await bench.schedule())!;
    expect(next_run_at).toBe(rotated_at! + DAY);
  });
});

describe('schedules', () => {
  it('start one run for missed ticks', async () => {
    await bench.define({ schedule: { cron: '0 * * * *', timeZone: 'UTC' } });
    bench.broker.clock.advance(10 * 3_600_000 + 1_000);
    bench.work();
    await bench.pass(120_000);
    expect(await bench.rotations()).toHaveLength(1);
    expect((await bench.schedule())?.next_run_at).toBe(Date.UTC(2026, 0, 1, 11));
  });

  it('start no second run for a tick when the clock is set back (F10)', async () => {
    await bench.define({ schedule: { cron: '0 * * * *', timeZone: 'UTC' } });
    bench.work();
    await bench.pass(3_600_000 + 60_000);
    expect(await bench.rotations()).toHaveLength(1);
    bench.broker.clock.setWall(Date.UTC(2026, 0, 1, 0, 30));
    await bench.pass(3_600_000);
    expect(await bench.rotations()).toHaveLength(1);
    await bench.pass(3_600_000);
    expect(await bench.rotations()).toHaveLength(2);
  });

  it('wait for a window', async () => {
    const windows = [{ from: '12:00', to: '13:00', timeZone: 'UTC' }];
    await bench.define({ schedule: { every: '1h' }, windows });
    bench.work();
    await bench.pass(11 * 3_600_000);
    expect(await bench.rotations()).toEqual([]);
    await bench.pass(2 * 3_600_000);
    expect(await bench.rotations()).toHaveLength(1);
  });

  it('delay missed runs until the next window', async () => {
    const windows = [{ from: '12:00', to: '13:00', timeZone: 'UTC' }];
    await bench.define({ schedule: { cron: '0 12 * * *', timeZone: 'UTC' }, windows });
    bench.broker.clock.advance(15 * 3_600_000);
    bench.work();
    await bench.pass(60_000);
    expect(await bench.rotations()).toEqual([]);
    expect((await bench.schedule())?.next_run_at).toBe(Date.UTC(2026, 0, 2, 12));
  });

  it('keep the minimum distance from a requested run', async () => {
    const schedule = { cron: '0 12 * * *', timeZone: 'UTC' };
    await bench.define({ schedule, atMostEvery: '1h' });
    bench.broker.clock.advance(11.5 * 3_600_000);
    const order = { path: PATH, kind: 'rotation', incident: false } as const;
    await requestRotation(bench.broker.parts, bench.broker.call(), bench.admin, order);
    bench.work();
    await bench.pass(3_000_000);
    expect(await bench.rotations()).toHaveLength(1);
    expect((await bench.schedule())?.next_run_at).toBe(Date.UTC(2026, 0, 1, 12, 30));
  });

  it('delay runs that are due while a rotation settles', async () => {
    await bench.define({ schedule: { every: '1h' }, retire: 'afterGrace', grace: '3h' });
    bench.work();
    await bench.pass(3.5 * 3_600_000);
    expect(await bench.rotations()).toHaveLength(1);
    await bench.pass(3_600_000);
    expect(await bench.rotations()).toHaveLength(2);
  });

  it.each([
    ['one process', 1],
    ['three processes on one store', 3],
  ])(
    'run for many secrets within the cap of their connection: %s (F09)',
    async (_who, processes) => {
      const { target } = bench.broker;
      let running = 0;
      let most = 0;
      target.before = async (step) => {
        if (step !== 'set') return;
        running += 1;
        most = Math.max(most, running);
        await bench.rest();
        running -= 1;
      };
      for (let index = 0; index < 20; index += 1)
        await bench.define(
          { options: { user: `u${index}` }, schedule: { every: '1h' } },
          `app/u${index}`,
        );
      for (let started = 0; started < processes; started += 1) bench.work();
      await bench.pass(3_600_000);
      const { store } = bench.broker;
      await until('all have rotated', async () => {
        await bench.pass(500);
        return (await countRows(store, 'rotations', { state: 'done' })) === 21;
      });
      expect(most).toBe(4);
    },
  );
});
