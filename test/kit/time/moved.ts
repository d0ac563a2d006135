import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../backends/until.ts';
import type { HandClock } from './hand-clock.ts';

/** Idle time after which the event loop has nothing left to read. */
const IDLE_MS = 5;

/**
 * Moves the clock in steps until the condition holds. A step waits until the event loop is idle: on a busy machine, steps in real
 * time would reach the deadline of a request whose answer has arrived and is not read yet.
 */
export async function movedUntil(
  what: string,
  { clock, stepMs }: { readonly clock: HandClock; readonly stepMs: number },
  condition: () => Promise<boolean>,
): Promise<void> {
  await until(what, async () => {
    clock.advance(stepMs);
    await loopIsIdle();
    return condition();
  });
}

async function loopIsIdle(): Promise<void> {
  const { idle } = performance.eventLoopUtilization();
  while (performance.eventLoopUtilization().idle < idle + IDLE_MS) await pause(1);
}
