import { setTimeout as pause } from 'node:timers/promises';
import type { HandClock } from './hand-clock.ts';

const PATIENCE_MS = 90_000;
/** Idle time after which the event loop has nothing left to read, and files are read. */
const IDLE_MS = 20;

/**
 * Moves the clock in steps until the condition holds. A step waits until the event loop is idle: on a busy machine, steps in real
 * time would reach the deadline of a request whose answer has arrived and is not read yet.
 */
export async function movedUntil(
  what: string,
  { clock, stepMs }: { readonly clock: HandClock; readonly stepMs: number },
  condition: () => Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    clock.advance(stepMs);
    await loopIsIdle();
    if (await condition()) return;
  }
  throw new Error(`moved the clock in vain: ${what}`);
}

/** Resolves when no work is left that waits for the store or for other files. */
export async function loopIsIdle(): Promise<void> {
  const { idle } = performance.eventLoopUtilization();
  while (performance.eventLoopUtilization().idle < idle + IDLE_MS) await pause(2);
}
