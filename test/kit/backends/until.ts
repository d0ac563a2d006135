import { setTimeout as pause } from 'node:timers/promises';

/** Ends a wait that never succeeds. On a busy machine a condition may take a minute. */
const PATIENCE_MS = 90_000;

/** The pause between two checks grows with the time waited: most conditions hold soon, and a check of a long wait costs the broker and the test. */
const FIRST_PAUSE_MS = 5;
const PART_OF_WAIT = 1 / 4;
const LONGEST_PAUSE_MS = 1_000;
/** A check that asks a busy broker pauses longer: checks at a constant rate would take the processor from the broker. */
const PAUSES_OF_CHECK = 3;

/** Waits until `condition` holds. Throws after 90 s or `patienceMs`, naming `what`. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const begun = performance.now();
  for (let waited = 0; waited < patienceMs; waited = performance.now() - begun) {
    const checked = performance.now();
    if (await condition()) return;
    const now = performance.now();
    const ms = Math.max(
      FIRST_PAUSE_MS,
      (now - begun) * PART_OF_WAIT,
      (now - checked) * PAUSES_OF_CHECK,
    );
    await pause(Math.min(ms, LONGEST_PAUSE_MS));
  }
  throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
}
