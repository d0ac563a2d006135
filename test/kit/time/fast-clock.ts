import { systemClock } from '../../../src/process/clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';

/** Shortest time between two runs of periodic work: the followers of the log, which look every 250 ms, would keep a processor busy. */
const SHORTEST_MS = 100;

/**
 * Creates a clock that runs `speed` times as fast since `epochMs`: hours of back-off pass in seconds, and a restart does not turn
 * it back.
 */
export function fastClock(epochMs: number, speed: number): Clock {
  const real = (ms: number): number => Math.max(ms / speed, Math.min(ms, SHORTEST_MS));
  return {
    now: () => Math.floor(epochMs + (systemClock.now() - epochMs) * speed),
    monotonic: () => systemClock.monotonic() * speed,
    after: (ms, work) => systemClock.after(real(ms), work),
    sleep: (ms, signal) => systemClock.sleep(real(ms), signal),
  };
}
