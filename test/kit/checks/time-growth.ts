/** Processor time that suffices: several times its resolution, which is up to 10 ms. */
const ENOUGH_MICROSECONDS = 50_000;
const MOST_TRIES = 5;

/**
 * Measures by what factor the processor time of `work` grows between two sizes of its input. Other processes on the machine take
 * no processor time of it, but empty its caches: the least of some measurements counts, and the first that is near to linear
 * growth is enough.
 */
export function growthOf(
  work: (size: number) => unknown,
  [small, large]: readonly [number, number],
): number {
  let least = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < MOST_TRIES && least > (2 * large) / small; tries += 1) {
    timeOf(() => work(small));
    const base = timeOf(() => work(small));
    least = Math.min(least, timeOf(() => work(large)) / base);
  }
  return least;
}

/** The mean of as many runs as it takes to measure it. */
function timeOf(work: () => unknown): number {
  const begun = process.threadCpuUsage();
  for (let runs = 1; ; runs += 1) {
    work();
    const { user, system } = process.threadCpuUsage(begun);
    if (user + system >= ENOUGH_MICROSECONDS) return (user + system) / runs;
  }
}
