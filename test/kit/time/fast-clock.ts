import { systemClock } from '../../../src/process/clock.ts';
import type { Clock } from '../../../src/ports/clock.ts';

/**
 * Shortest time between two runs of periodic work: a broker has a dozen workers that look every 250 ms to every second, and at twenty times the speed
 * they would keep a processor busy. The fastest of them keep their usual rate.
 */
const SHORTEST_MS = 250;

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
