import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { MOST_ATTEMPTS } from '../../../src/domain/rotation/rotation-progress.ts';
import type { SecretData } from '../../../src/domain/secrets/secret.ts';
import { until } from '../backends/until.ts';
import type { PreparedBroker } from '../broker/prepared-broker.ts';
import type { Current, RotatingBroker } from './rotating-broker.ts';

/** The repeated failures of one path. */
export interface Series {
  readonly path: string;
  readonly points: readonly string[];
  readonly broker: () => RotatingBroker;
  /** The old value keeps working until the target generates another. */
  readonly outlives?: boolean;
}

const PROMOTED = 'rotation.promote.after_effect';
/** Failures of all attempts before the rotation is parked. */
export const FAILING = Array.from({ length: MOST_ATTEMPTS }, () => `${PROMOTED} throw`);

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
      await until('it was there', () => isPast(broker.prepared, point));
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
export async function expectRotated(
  { broker: of, path, outlives = false }: Pick<Series, 'broker' | 'path' | 'outlives'>,
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
export async function isPast({ installation }: PreparedBroker, point: string): Promise<boolean> {
  return readFile(installation.file('failpoint'), 'utf8').then(
    (text) => !text.includes(point),
    () => true,
  );
}

export async function isStandingStill({ installation }: PreparedBroker): Promise<boolean> {
  const text = await readFile(`/proc/${installation.pid}/stat`, 'utf8');
  return text.slice(text.lastIndexOf(')') + 2).startsWith('T');
}
