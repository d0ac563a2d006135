import { describe, expect, it } from '@jest/globals';
import {
  lifetimeProblem,
  nextDrill,
  nextRun,
  nextRuns,
  type RunClock,
  scheduleProblem,
} from '../../../../src/broker/model/rotation-times.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import type { RotationSpec } from '../../../../src/domain/rotation/rotation-spec.ts';

function spec(rotation: object): RotationSpec {
  return parseSpec('definition', { rotation }).rotation!;
}
const cron = (text: string, timeZone = 'Europe/Berlin', more: object = {}): RotationSpec =>
  spec({ schedule: { cron: text, timeZone }, ...more });
const at = (text: string): number => Date.parse(text);
const clockOf = (after: string, more: Partial<RunClock> = {}): RunClock => ({
  path: 'app/db',
  after: at(after),
  ...more,
});
const texts = (times: readonly number[]): readonly string[] =>
  times.map((time) => new Date(time).toISOString().slice(0, 16));
const WEEKEND = [{ days: ['sat', 'sun'], from: '02:00', to: '05:00', timeZone: 'Europe/Berlin' }];

describe('the next runs of a cron line (F10)', () => {
  it.each([
    [
      'spring: 02:30 does not exist on 29 March',
      '30 2 * * *',
      '2026-03-27T12:00Z',
      ['2026-03-28T01:30', '2026-03-29T01:00', '2026-03-30T00:30'],
    ],
    [
      'autumn: 02:30 comes twice on 25 October',
      '30 2 * * *',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:30', '2026-10-26T01:30', '2026-10-27T01:30'],
    ],
    [
      'a leap day',
      '0 0 29 2 *',
      '2026-01-01T00:00Z',
      ['2028-02-28T23:00', '2032-02-28T23:00', '2036-02-28T23:00'],
    ],
    [
      'the end of a month',
      '0 12 L * *',
      '2026-01-15T00:00Z',
      ['2026-01-31T11:00', '2026-02-28T11:00', '2026-03-31T10:00'],
    ],
  ])('follow the time zone and the calendar: %s', async (_name, line, from, expected) => {
    expect(texts(await nextRuns(cron(line), clockOf(from), 3))).toEqual(expected);
  });

  it('are after now, however many ticks were missed', async () => {
    const next = await nextRun(cron('0 * * * *'), clockOf('2026-06-01T10:30Z'));
    expect(texts([next!])).toEqual(['2026-06-01T11:00']);
  });

  it('do not repeat a tick when the clock is set back', async () => {
    const run = at('2026-06-01T11:00Z');
    // The schedule counts from the due time, whatever the clock shows now.
    const next = await nextRun(cron('0 * * * *'), clockOf('2026-06-01T11:00Z', { lastRunAt: run }));
    expect(texts([next!])).toEqual(['2026-06-01T12:00']);
  });

  it('keep the minimum distance from the last run', async () => {
    const often = cron('* * * * *', 'UTC', { atMostEvery: '1h' });
    const lastRunAt = at('2026-06-01T10:10Z');
    expect(texts(await nextRuns(often, clockOf('2026-06-01T10:20Z', { lastRunAt }), 2))).toEqual([
      '2026-06-01T11:10',
      '2026-06-01T12:10',
    ]);
  });

  it('lie inside the windows', async () => {
    const nightly = cron('0 3 * * *', 'Europe/Berlin', { windows: WEEKEND });
    expect(texts(await nextRuns(nightly, clockOf('2026-06-01T00:00Z'), 3))).toEqual([
      '2026-06-06T01:00',
      '2026-06-07T01:00',
      '2026-06-13T01:00',
    ]);
  });

  it('jump to the next window if every second is a tick', async () => {
    const always = cron('* * * * * *', 'UTC', { windows: WEEKEND });
    const next = await nextRun(always, clockOf('2026-06-01T00:00Z'));
    expect(texts([next!])).toEqual(['2026-06-06T00:00']);
  });

  it('are spread by the jitter, each path at its own time and the same in every process', async () => {
    const spread = cron('0 3 * * *', 'UTC', { jitter: '10m' });
    const of = (path: string) => nextRun(spread, { path, after: at('2026-06-01T00:00Z') });
    const times = await Promise.all(Array.from({ length: 50 }, (_, index) => of(`app/${index}`)));
    expect(new Set(times).size).toBeGreaterThan(45);
    expect(await of('app/1')).toBe(times[1]);
    for (const time of times) {
      expect(time).toBeGreaterThanOrEqual(at('2026-06-01T03:00Z'));
      expect(time).toBeLessThan(at('2026-06-01T03:10Z'));
    }
  });

  it('are not moved out of their window by the jitter', async () => {
    const tight = [{ from: '03:00', to: '03:01', timeZone: 'UTC' }];
    const spread = cron('0 3 * * *', 'UTC', { jitter: '10h', windows: tight });
    const next = await nextRun(spread, clockOf('2026-06-01T00:00Z'));
    expect(texts([next!])).toEqual(['2026-06-01T03:00']);
  });

  it('are empty while paused, or without a schedule', async () => {
    const now = clockOf('2026-06-01T00:00Z');
    expect(await nextRun(cron('0 3 * * *', 'UTC', { paused: true }), now)).toBeUndefined();
    expect(await nextRun(spec({}), now)).toBeUndefined();
  });
});

describe('the next runs of an interval', () => {
  const every = spec({ schedule: { every: '30d' } });

  it('count from the promotion', async () => {
    const rotatedAt = at('2026-06-01T10:00Z');
    const next = await nextRun(every, clockOf('2026-06-05T00:00Z', { rotatedAt }));
    expect(texts([next!])).toEqual(['2026-07-01T10:00']);
  });

  it('count from now without a promotion, and are due at once if overdue', async () => {
    expect(texts([(await nextRun(every, clockOf('2026-06-01T00:00Z')))!])).toEqual([
      '2026-07-01T00:00',
    ]);
    const rotatedAt = at('2025-01-01T00:00Z');
    const overdue = await nextRun(every, clockOf('2026-06-01T00:00Z', { rotatedAt }));
    expect(texts([overdue!])).toEqual(['2026-06-01T00:00']);
  });

  it('wait for the next window', async () => {
    const windowed = spec({ schedule: { every: '1d' }, windows: WEEKEND });
    const rotatedAt = at('2026-06-01T00:00Z');
    const next = await nextRun(windowed, clockOf('2026-06-01T00:00Z', { rotatedAt }));
    expect(texts([next!])).toEqual(['2026-06-06T00:00']);
  });

  it('count drills from the last proof', () => {
    const drills = spec({ drill: { every: '7d' } });
    const rotatedAt = at('2026-06-01T00:00Z');
    expect(texts([nextDrill(drills, clockOf('2026-06-02T00:00Z', { rotatedAt }))!])).toEqual([
      '2026-06-08T00:00',
    ]);
    expect(nextDrill(spec({}), clockOf('2026-06-02T00:00Z'))).toBeUndefined();
  });
});

describe('an impossible schedule', () => {
  const now = at('2026-01-01T00:00Z');
  it.each([
    ['0 3 * *', {}, '/schedule/cron', 'five fields'],
    ['61 * * * *', {}, '/schedule/cron', 'five fields'],
    ['@daily', {}, '/schedule/cron', 'five fields'],
    ['2026-12-01T00:00:00', {}, '/schedule/cron', 'five fields'],
    ['0 0 30 2 *', {}, '/schedule/cron', 'never occurs'],
    ['0 12 * * *', { windows: WEEKEND }, '/windows', 'would never rotate'],
    ['0 3 * * 3', { windows: WEEKEND }, '/windows', 'would never rotate'],
  ])('%s is reported: %j', async (line, more, pointer, words) => {
    const problem = await scheduleProblem(cron(line, 'Europe/Berlin', more), now);
    expect(problem?.pointer).toBe(pointer);
    expect(problem?.message).toContain(words);
  });

  it('is not reported for a valid schedule', async () => {
    expect(
      await scheduleProblem(cron('0 3 * * 0', 'Europe/Berlin', { windows: WEEKEND }), now),
    ).toBeUndefined();
    expect(
      await scheduleProblem(spec({ schedule: { every: '1d' }, windows: WEEKEND }), now),
    ).toBeUndefined();
  });

  it.each([
    [{ schedule: { cron: '0 3 * * *', timeZone: 'Mars/Phobos' } }],
    [{ schedule: { every: '10s' } }],
    [{ schedule: { every: '1d', cron: '0 3 * * *' } }],
    [{ windows: [{ from: '02:00', to: '02:00', timeZone: 'UTC' }] }],
    [{ grace: '0s' }],
    [{ retire: 'never' }],
    [{ canary: { share: 100 } }],
    [{ expedite: true }],
  ])('is refused with the definition: %j', (rotation) => {
    expect(() => spec(rotation)).toThrow();
  });
});

describe('a schedule for values that expire', () => {
  const now = at('2026-01-01T00:00Z');
  const DAY = 86_400;
  const problemOf = (rotation: object, days: number) =>
    lifetimeProblem(spec(rotation), { path: 'app/tls', lifetimeSeconds: days * DAY, now });

  it.each<[string, object, number]>([
    ['runs too seldom', { schedule: { every: '90d' } }, 90],
    ['leaves no time for the holders of the version before', { schedule: { every: '89d' } }, 89.5],
    ['leaves a month out', { schedule: { cron: '0 3 1 1-6,8-12 *' } }, 45],
    ['waits for a window that is far', { schedule: { every: '2d' }, windows: WEEKEND }, 8],
    ['is itself waited for', { schedule: { every: '1h' }, grace: '10d' }, 15],
    ['is paused, and would be too seldom', { schedule: { every: '90d' }, paused: true }, 60],
  ])('is refused if it %s: %j of %d days', async (_why, rotation, days) => {
    const problem = await problemOf(rotation, days);
    expect(problem?.pointer).toBe('/schedule');
    expect(problem?.message).toContain('would keep an expired value');
  });

  it.each<[object, number]>([
    [{ schedule: { every: '60d' } }, 90],
    [{ schedule: { cron: '0 3 1 * *' } }, 32.5],
    [{ schedule: { every: '2d' }, windows: WEEKEND }, 10],
    [{ schedule: { every: '1h' }, grace: '1h' }, 1],
    [{}, 1],
  ])('is accepted: %j of %d days', async (rotation, days) => {
    expect(await problemOf(rotation, days)).toBeUndefined();
  });
});
