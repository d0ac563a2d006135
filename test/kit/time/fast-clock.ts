import { systemClock } from '../../../src/process/clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';

/**
 * Creates a clock that runs `speed` times as fast since `epochMs`: hours of back-off pass in seconds, and a restart does not turn
 * it back.
 */
export function fastClock(epochMs: number, speed: number): Clock {
  return {
    now: () => Math.floor(epochMs + (systemClock.now() - epochMs) * speed),
    monotonic: () => systemClock.monotonic() * speed,
    after: (ms, work) => systemClock.after(ms / speed, work),
    sleep: (ms, signal) => systemClock.sleep(ms / speed, signal),
  };
}
