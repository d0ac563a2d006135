import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { MOST_ATTEMPTS } from '../../../src/domain/rotation/rotation-progress.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { until } from '../backends/until.ts';
import type { PreparedBroker } from '../broker/prepared-broker.ts';
import { BEFORE_ALL } from './fault-points.ts';
import type { Current, RotatingBroker } from './rotating-broker.ts';

/** The repeated failures of one path. */
export interface Series {
  readonly path: string;
  readonly points: readonly string[];
  readonly broker: () => RotatingBroker;
  /** The target has the new value before it is stored elsewhere; until then no stored value logs in. */
  readonly isAhead?: boolean;
  /** The old value keeps working until the target generates another. */
  readonly outlives?: boolean;
}

const PROMOTED = 'rotation.promote.after_effect';
/** Failures of all attempts before the rotation is parked. */
const FAILING = Array.from({ length: MOST_ATTEMPTS }, () => `${PROMOTED} throw`);

/** Kills the process at each point and restarts it. */
export function killedAt(series: Series): void {
  const { path, points, broker: of, isAhead = false, outlives = false } = series;
  it.each(points)(
    'leaves a working login, and is promoted and retired once: %s (F01, F02, F03, F04, F05)',
    async (point) => {
      const broker = of();
      const { prepared } = broker;
      const before = await broker.current(path);
      const written = await broker.written(path, before);
      await prepared.arm(point, 'kill');
      await broker.ask(path);
      expect(await prepared.installation.ended()).toBeNull();
      const { current, pending } = await broker.stored(path);
      const works = [await broker.logsIn(path, current), await broker.logsIn(path, pending)];
      const isBetween = isAhead && !outlives && point === 'rotation.create.after_effect';
      if (!isBetween) expect(works).toContain(true);

      await broker.restart();
      // Nothing was recorded and nothing happened, so a repeated request starts again.
      if (point === BEFORE_ALL) {
        expect(await broker.active(path)).toBeUndefined();
        expect((await broker.current(path)).version).toBe(before.version);
        expect(await broker.ask(path)).toBe(202);
      }
      await broker.untilEnded(path);
      await expectRotated(series, { before, written }, pending);
    },
  );
}

/** Throws at each point. */
export function throwingAt(series: Series): void {
  const { path, points, broker: of } = series;
  it.each(points)(
    'resumes when it throws, and is promoted and retired once: %s (F01)',
    async (point) => {
      const broker = of();
      const before = await broker.current(path);
      const written = await broker.written(path, before);
      await broker.prepared.arm(point, 'throw');
      expect(await broker.ask(path)).toBe(202);
      await until('it was there', () => isPast(broker.prepared));
      await broker.untilEnded(path);
      await expectRotated(series, { before, written });
    },
  );
}

/** Stops the process at each point until its claim expires, then resumes it. `stillMs`: that time by the clock of the machine. */
export function pausedAt(series: Series, stillMs: number): void {
  const { path, points, broker: of } = series;
  it.each(points)(
    'resumes after a pause of a minute, and is promoted and retired once: %s (F01)',
    async (point) => {
      const broker = of();
      const { installation } = broker.prepared;
      const before = await broker.current(path);
      const written = await broker.written(path, before);
      await broker.prepared.arm(point, 'stop');
      const asked = broker.ask(path);
      await until('it stands still', () => isStandingStill(broker.prepared));
      // The elapsed time is the fault.
      await pause(stillMs);
      installation.signal('SIGCONT');
      expect(await asked).toBe(202);
      await broker.untilEnded(path);
      await expectRotated(series, { before, written });
    },
  );
}

/** Kills the process at each point while it rolls back the new credential, which is current already if the provider is external. */
export function killedUndoingAt({ path, points, broker: of }: Series): void {
  it.each(points)(
    'keeps the old login working, and revokes the new one, when it is aborted: %s (F05)',
    async (point) => {
      const broker = of();
      const { prepared } = broker;
      const before = await broker.current(path);
      await prepared.arm(point, 'kill', ...FAILING);
      expect(await broker.ask(path)).toBe(202);
      await until('it failed', async () => (await broker.active(path))?.lastError !== undefined);
      await broker.ask(path, 'abort');
      expect(await prepared.installation.ended()).toBeNull();
      const { current, pending } = await broker.stored(path);
      const works = [await broker.logsIn(path, current), await broker.logsIn(path, pending)];
      expect(works).toContain(true);

      await broker.restart();
      await broker.untilEnded(path);
      const after = await broker.current(path);
      expect(after.data).toEqual(before.data);
      expect(await broker.logsIn(path, after.data)).toBe(true);
      expect(await broker.logsIn(path, pending)).toBe(false);
      expect((await broker.history(path))[0]?.state).toBe('aborted');
    },
  );
}

/** Throws at each point of the rollback. */
export function throwingUndoingAt({ path, points, broker: of }: Series): void {
  it.each(points)(
    'has the old login and no other when the rollback throws: %s (F05)',
    async (point) => {
      const broker = of();
      const before = await broker.current(path);
      await broker.prepared.arm(point, 'throw', ...FAILING);
      expect(await broker.ask(path)).toBe(202);
      await until('it failed', async () => (await broker.active(path))?.lastError !== undefined);
      expect(await broker.ask(path, 'abort')).toBe(202);
      await broker.untilEnded(path);
      const after = await broker.current(path);
      expect(after.data).toEqual(before.data);
      expect(await broker.logsIn(path, after.data)).toBe(true);
      expect((await broker.history(path))[0]?.state).toBe('aborted');
    },
  );
}

/**
 * The current value logs in and is the first value generated. The previous value does not log in, unless it outlives the rotation. Each
 * step ran once, and the value was written once.
 */
async function expectRotated(
  { broker: of, path, outlives = false }: Series,
  { before, written }: { readonly before: Current; readonly written: number | undefined },
  pending?: SecretData,
): Promise<void> {
  const broker = of();
  const after = await broker.current(path);
  expect(await broker.logsIn(path, after.data)).toBe(true);
  expect(await broker.logsIn(path, before.data)).toBe(outlives);
  if (pending !== undefined) expect(after.data).toEqual(pending);
  if (written !== undefined) expect(await broker.written(path, after)).toBe(written + 1);
  const [rotation] = await broker.history(path);
  const done = rotation?.steps.filter(({ outcome }) => outcome === 'done');
  expect([rotation?.state, rotation?.version]).toEqual(['done', after.version]);
  expect(done?.map(({ step }) => step)).toEqual([
    'create',
    'set',
    'test',
    'promote',
    'settle',
    'retire',
  ]);
}

/** Reports whether the armed failpoint has acted. */
async function isPast({ installation }: PreparedBroker): Promise<boolean> {
  return readFile(installation.file('failpoint')).then(
    () => false,
    () => true,
  );
}

export async function isStandingStill({ installation }: PreparedBroker): Promise<boolean> {
  const text = await readFile(`/proc/${installation.pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).startsWith('T');
}
