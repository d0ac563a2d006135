import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  killedAt,
  killedUndoingAt,
  standingStillAt,
  throwingAt,
  throwingUndoingAt,
} from './at-points.ts';
import { EVERY_POINT, POINTS_WITHIN, pointsOf } from './fault-points.ts';
import { RotatingBroker } from './rotating-broker.ts';
import type { Rotating } from './rotating/rotating.ts';

/** `ALL=1` in the environment asks for every point of every strategy. Otherwise each has a share, and those of one file have every point together. */
const IS_ALL = process.env['ALL'] === '1';
/** A back-off of eleven seconds passes in half a second. */
const SPEED = 20;
/** More than a claim's minute. */
const STILL_MS = 65_000 / SPEED;
/** Longer than anything here takes. */
const BEHIND_MS = 240_000;
const UNDOING = pointsOf('discard');

interface Strategy {
  readonly path: string;
  readonly open: () => Promise<Rotating>;
  /** Killed at every point: the one of its kind. */
  readonly isWhole?: true;
  /** The target has the new value before the broker; from then on there is no way back. */
  readonly isAhead?: boolean;
  /** The old value goes on working until the target makes the one after the new. */
  readonly outlives?: boolean;
  /** The broker's clock must not be ahead of the target's, which says when something was made. */
  readonly isBehind?: true;
}

/** One of every so many points; the next strategy has others. */
function share(points: readonly string[], every: number, offset: number): readonly string[] {
  return IS_ALL ? points : points.filter((_, index) => index % every === offset % every);
}

let offset = 0;

/** What happens to one strategy wherever the process that carries it on is killed, throws or stands still. */
export function strategy(
  title: string,
  { path, open, isAhead = false, outlives = false, ...more }: Strategy,
): void {
  const own = offset++;
  describe(title, () => {
    let broker: RotatingBroker;
    const series = { path, broker: () => broker, isAhead, outlives };
    const start = async (): Promise<void> => {
      broker = await RotatingBroker.start([await open()]);
    };
    beforeAll(async () => {
      await start();
      await broker.restart();
    }, 60_000);
    afterAll(() => broker.remove());

    const killed = more.isWhole === true ? EVERY_POINT : share(EVERY_POINT, 4, own);
    killedAt({ ...series, points: killed });
    if (!isAhead) killedUndoingAt({ ...series, points: share(UNDOING, 3, own) });

    describe('in a broker whose clock is fast', () => {
      beforeAll(async () => {
        if (more.isBehind === true) {
          await broker.remove();
          await start();
        }
        const epoch = Date.now() + (more.isBehind === true ? BEHIND_MS : 0);
        await broker.restart({ epoch, speed: SPEED });
      }, 60_000);

      throwingAt({ ...series, points: share(POINTS_WITHIN, 4, own) });
      if (!isAhead) throwingUndoingAt({ ...series, points: share(UNDOING, 3, own) });
      standingStillAt(
        { ...series, points: share(POINTS_WITHIN, POINTS_WITHIN.length, 3 * own) },
        STILL_MS,
      );
    });

    it('keeps a log that holds', async () => {
      expect(await broker.furnished.verifiedLog()).toContain('the log holds');
    });
  });
}
