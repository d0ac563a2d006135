import { setTimeout as pause } from 'node:timers/promises';

/** Ends a wait that never succeeds. On a busy machine a condition may take a minute. */
const PATIENCE_MS = 90_000;

/** Waits until `condition` holds, checked every 50 ms. Throws after 90 s or `patienceMs`, naming `what`. */
export async function until(
  what: string,
  condition: () => Promise<boolean>,
  patienceMs = PATIENCE_MS,
): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline) {
    if (await condition()) return;
    await pause(50);
  }
  throw new Error(`waited ${patienceMs / 1000} s in vain: ${what}`);
}
