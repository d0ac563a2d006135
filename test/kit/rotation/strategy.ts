import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Clock } from '../broker/prepared-broker.ts';
import { pausedAt, throwingAt, throwingUndoingAt } from './at-points.ts';
import { EVERY_POINT, POINTS_WITHIN, pointsOf } from './fault-points.ts';
import { killedAt } from './killed-together.ts';
import type { StoreElsewhere } from './postgres-store.ts';
import { RotatingBroker } from './rotating-broker.ts';
import type { Rotating } from './rotating.ts';
import { openSeveral } from './several.ts';

/**
 * `ALL=1` in the environment runs every point of every strategy. Otherwise each strategy has a share, and the strategies of one
 * file together cover every point.
 */
const IS_ALL = process.env['ALL'] === '1';
/** Speed of the clock: a back-off of eleven seconds passes in half a second. */
const SPEED = 20;
/** Time longer than a claim, which lasts a minute. */
const STILL_MS = 65_000 / SPEED;
/** Time longer than any test here takes. */
const BEHIND_MS = 240_000;
/** Rotations without a connection that the broker works on at the same time. */
const MOST_GENERATED = 4;
const UNDOING = pointsOf('discard');

interface Strategy {
  readonly path: string;
  readonly open: () => Promise<Rotating>;
  /** The broker's store; absent: a file of its own. */
  readonly store?: () => Promise<StoreElsewhere>;
  /** This strategy is killed at every point, on behalf of its kind. */
  readonly isWhole?: true;
  /** The broker alone generates the value. */
  readonly isGenerated?: true;
  /** The target has the new value before the broker; from then on no rollback is possible. */
  readonly isAhead?: boolean;
  /** The old value keeps working until the target generates the value after the new one. */
  readonly outlives?: boolean;
  /** The broker's clock must not be ahead of the target's, which reports creation times. */
  readonly isBehind?: true;
}

/** One of every `every` points; the next strategy has others. */
function share(points: readonly string[], every: number, offset: number): readonly string[] {
  return IS_ALL ? points : points.filter((_, index) => index % every === offset % every);
}

/** The function that tests the strategies of one file. */
export function strategies(): (title: string, tried: Strategy) => void {
  let tests = 0;
  return (title, tried) => {
    testStrategy(title, tried, tests);
    tests += 1;
  };
}

/** Tests one strategy with its process killed, stopped or throwing at its points. `own` determines them. */
function testStrategy(title: string, tried: Strategy, own: number): void {
  const { path, open, store, isAhead = false, outlives = false } = tried;
  describe(title, () => {
    let broker: RotatingBroker;
    let elsewhere: StoreElsewhere | undefined;
    let several: readonly Rotating[];
    const series = { path, broker: () => broker, outlives };
    const points = tried.isWhole === true ? EVERY_POINT : share(EVERY_POINT, 4, own);
    const undoing = isAhead ? [] : share(UNDOING, 3, own);
    const start = async (clock?: Clock, killed = points.length + undoing.length): Promise<void> => {
      elsewhere = await store?.();
      several = await openSeveral(open, killed);
      broker = await RotatingBroker.start([await open(), ...several], elsewhere?.furniture, clock);
    };
    const end = async (): Promise<void> => {
      await broker.remove();
      await elsewhere?.drop();
    };
    const fast = (): Clock => {
      const ahead = tried.isBehind === true ? BEHIND_MS : 0;
      return { epoch: Date.now() + ahead, speed: SPEED };
    };
    // Only the one process of a file store knows at its start that no other process holds a claim. Elsewhere the claim must expire, which
    // takes a minute.
    const isAlone = store === undefined;
    const kill = (): void => {
      const paths = () => several.map((each) => each.path);
      const most = tried.isGenerated === true ? MOST_GENERATED : undefined;
      const lastClock = isAlone && tried.isBehind !== true ? fast : undefined;
      killedAt({
        broker: () => broker,
        points,
        undoing,
        paths,
        most,
        lastClock,
        isAhead,
        outlives,
      });
    };
    beforeAll(() => start(isAlone ? undefined : fast()));
    afterAll(end);
    if (isAlone) kill();

    describe('in a broker whose clock is fast', () => {
      if (!isAlone) kill();
      else if (tried.isBehind === true) {
        beforeAll(async () => {
          await end();
          await start(fast(), 0);
        });
      }

      throwingAt({ ...series, points: share(POINTS_WITHIN, 4, own) });
      if (!isAhead) throwingUndoingAt({ ...series, points: share(UNDOING, 3, own) });
      pausedAt(
        { ...series, points: share(POINTS_WITHIN, POINTS_WITHIN.length, 3 * own) },
        STILL_MS,
      );
    });

    it('keeps a valid log', async () => {
      expect(await broker.prepared.verifiedLog()).toContain('verified: ');
    });
  });
}
