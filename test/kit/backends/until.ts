import { setTimeout as pause } from 'node:timers/promises';

/** Ends a wait that never succeeds. On a busy machine a condition may take a minute. */
const PATIENCE_MS = 90_000;

/** The pause between two checks doubles from the first to the longest: most conditions hold soon. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;
/** A check that asks a busy broker pauses longer: checks at a constant rate would take the processor from the broker. */
const PAUSES_OF_CHECK = 3;
const LONGEST_OF_CHECK_MS = 250;

/** Waits until `condition` holds. Throws after 90 s or `patienceMs`, naming `what`. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  for (
    let ms = FIRST_PAUSE_MS;
    performance.now() < deadline;
    ms = Math.min(2 * ms, LONGEST_PAUSE_MS)
  ) {
    const begun = performance.now();
    if (await condition()) return;
    const checkedMs = performance.now() - begun;
    await pause(Math.max(ms, Math.min(PAUSES_OF_CHECK * checkedMs, LONGEST_OF_CHECK_MS)));
  }
  throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
}
