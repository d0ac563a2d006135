const FIRST_MS = 500;
const LAST_MS = 30_000;

/** Milliseconds before the next try after `failures` in a row: doubling, half of it random so that clusters' replicas spread. */
export function backOffMs(failures: number, random: () => number): number {
  const full = Math.min(FIRST_MS * 2 ** (failures - 1), LAST_MS);
  return full / 2 + (full / 2) * random();
}
