import { beforeAll, describe, expect, it } from '@jest/globals';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { until } from '../backends/until.ts';
import type { Clock } from '../broker/prepared-broker.ts';
import { expectRotated, FAILING, isPast, type Series } from './at-points.ts';
import { BEFORE_ALL } from './fault-points.ts';
import type { Current, RotatingBroker } from './rotating-broker.ts';

/** Rotations of several paths, which kills interrupt at their points. */
interface Kills extends Pick<Series, 'broker' | 'outlives'> {
  readonly points: readonly string[];
  /** Points of rotations that fail before an operator aborts them. */
  readonly undoing?: readonly string[];
  /** The path of each of `undoing`, then of each of `points`. */
  readonly paths: () => readonly string[];
  /** Rotations that may be in progress at the same time; absent: any number. */
  readonly most?: number | undefined;
  /** The target has the new value before it is stored elsewhere; until then no stored value logs in. */
  readonly isAhead?: boolean;
  /** Clock of the broker from its last restart on; absent: its clock does not change. */
  readonly lastClock?: (() => Clock) | undefined;
}

interface Interrupted {
  readonly point: string;
  readonly index: number;
  readonly isUndone: boolean;
}

/** The state before a rotation. */
interface Before {
  readonly path: string;
  readonly before: Current;
  readonly written: number | undefined;
}

/** The state after the kill. */
interface Killed extends Before {
  readonly exitCode: number | null;
  readonly pending: SecretData | undefined;
  /** Tells whether the current and the pending value log in. */
  readonly works: readonly boolean[];
}

/**
 * Kills a process whose rotations are each at one of the points, and restarts it. A start takes more processor time than all else of a case, so one kill
 * serves several points: each rotation waits at its point, and the last one is killed there.
 */
export function killedAt(kills: Kills): void {
  const { points, undoing = [], most = Infinity } = kills;
  const interrupted = [
    // Their failpoints that throw are armed until the next ones are.
    ...undoing.map((point) => ({ point, isUndone: true })),
    ...points.map((point) => ({ point, isUndone: false })),
  ].map((each, index) => ({ ...each, index }));
  const groups = groupsOf(interrupted, most);
  for (const group of groups) killedTogether(kills, group, group === groups.at(-1));
}

/** Divides rotations into groups. Only the last one of a group may be at its start, where it cannot wait: the worker would take it over. */
function groupsOf(all: readonly Interrupted[], most: number): readonly (readonly Interrupted[])[] {
  const starts = all.filter(({ point }) => point.includes('.started.'));
  const others = all.filter((each) => !starts.includes(each));
  const groups = Math.max(1, starts.length, Math.ceil(all.length / most));
  return Array.from({ length: groups }, (_, group) => [
    ...others.filter((_each, index) => index % groups === group),
    ...starts.slice(group, group + 1),
  ]);
}

function killedTogether(kills: Kills, group: readonly Interrupted[], isLast: boolean): void {
  describe('with each rotation at its point', () => {
    const killed = new Map<string, Killed>();
    beforeAll(async () => {
      for (const [point, state] of await killAll(kills, group)) killed.set(point, state);
      await kills.broker().restart(isLast ? kills.lastClock?.() : undefined);
    });
    const atPoint = (point: string): Killed => {
      const found = killed.get(point);
      if (found === undefined) throw new Error(`nothing was killed at ${point}`);
      return found;
    };
    const pointsOf = (isUndone: boolean): readonly string[] =>
      group.filter((each) => each.isUndone === isUndone).map(({ point }) => point);

    it.each(pointsOf(false))(
      'leaves a working login, and is promoted and retired once: %s (F01, F02, F03, F04, F05)',
      (point) => expectCompleted(kills, point, atPoint(point)),
    );
    if (pointsOf(true).length > 0)
      it.each(pointsOf(true))(
        'keeps the old login working, and revokes the new one, when it is aborted: %s (F05)',
        (point) => expectUndone(kills.broker(), atPoint(point)),
      );
  });
}

/** Brings each rotation to its point, kills the process at the last one, and reads what it left. */
async function killAll(
  { broker: of, paths }: Kills,
  group: readonly Interrupted[],
): Promise<readonly (readonly [string, Killed])[]> {
  const broker = of();
  const begun: (readonly [string, Before])[] = [];
  for (const each of group) {
    const path = paths()[each.index] ?? '';
    const action = each === group.at(-1) ? 'kill' : 'wait';
    begun.push([each.point, await bringToPoint(broker, path, each, action)]);
  }
  const exitCode = await broker.prepared.installation.ended();
  const stored = await broker.storedAt(begun.map(([, { path }]) => path));
  const killed = begun.map(async ([point, before], index) => {
    const { path } = before;
    const { current, pending } = stored[index]!;
    const works = [await broker.logsIn(path, current), await broker.logsIn(path, pending)];
    return [point, { ...before, exitCode, pending, works }] as const;
  });
  return Promise.all(killed);
}

async function bringToPoint(
  broker: RotatingBroker,
  path: string,
  { point, isUndone }: Interrupted,
  action: 'kill' | 'wait',
): Promise<Before> {
  const before = await broker.current(path);
  const written = await broker.written(path, before);
  await broker.prepared.arm(point, action, ...(isUndone ? FAILING : []));
  const asked = await broker.ask(path);
  if (isUndone) {
    expect(asked).toBe(202);
    await until('it failed', async () => (await broker.active(path))?.lastError !== undefined);
    await broker.ask(path, 'abort');
  }
  if (action === 'wait') await until('it is at its point', () => isPast(broker.prepared, point));
  return { path, before, written };
}

async function expectCompleted(
  { broker: of, isAhead = false, outlives = false }: Kills,
  point: string,
  { path, before, written, exitCode, pending, works }: Killed,
): Promise<void> {
  const broker = of();
  expect(exitCode).toBeNull();
  const isBetween = isAhead && !outlives && point === 'rotation.create.after_effect';
  if (!isBetween) expect(works).toContain(true);
  // Nothing was recorded and nothing happened, so a repeated request starts again.
  if (point === BEFORE_ALL) {
    expect(await broker.active(path)).toBeUndefined();
    expect((await broker.current(path)).version).toBe(before.version);
    expect(await broker.ask(path)).toBe(202);
  }
  await broker.untilEnded(path);
  await expectRotated({ broker: of, path, outlives }, { before, written }, pending);
}

async function expectUndone(
  broker: RotatingBroker,
  { path, before, exitCode, pending, works }: Killed,
): Promise<void> {
  expect(exitCode).toBeNull();
  expect(works).toContain(true);
  await broker.untilEnded(path);
  const after = await broker.current(path);
  expect(after.data).toEqual(before.data);
  expect(await broker.logsIn(path, after.data)).toBe(true);
  expect(await broker.logsIn(path, pending)).toBe(false);
  expect((await broker.history(path))[0]?.state).toBe('aborted');
}
