import { setTimeout as pause } from 'node:timers/promises';

const PATIENCE_MS = 30_000;

/** Waits until `condition` holds, asking every 50 ms; throws after 30 s, naming `what`. */
export async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    if (await condition()) return;
    await pause(50);
  }
  throw new Error(`waited ${PATIENCE_MS / 1000} s in vain: ${what}`);
}
