import { expect, it } from '@jest/globals';
import { LoopYielder } from '../../../../src/broker/kernel/yield-to-loop.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

it('lets other work run after two milliseconds, whatever the number of items', async () => {
  const clock = new HandClock();
  const slices = new LoopYielder(clock);
  expect(slices.isOver).toBe(false);
  clock.advance(1);
  expect(slices.isOver).toBe(false);
  clock.advance(1);
  expect(slices.isOver).toBe(true);
  let hasRun = false;
  setImmediate(() => (hasRun = true));
  await slices.next();
  expect({ hasRun, isOver: slices.isOver }).toEqual({ hasRun: true, isOver: false });
});
