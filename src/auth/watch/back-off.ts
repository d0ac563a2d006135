import { doubledDelay } from '../../ports/backoff.ts';

const FIRST_MS = 500;
const LAST_MS = 30_000;

/** Milliseconds before the next attempt after `failures` in a row. The pause doubles; half of it is random, so that the replicas spread. */
export function backOffMs(failures: number, random: () => number): number {
  const full = doubledDelay(FIRST_MS, LAST_MS, failures - 1);
  return full / 2 + (full / 2) * random();
}
