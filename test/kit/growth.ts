/** Several times the resolution of processor time, which is up to 10 ms. */
const ENOUGH_MICROSECONDS = 50_000;

/** How many times the processor time of `work` grows between two sizes of its input. Other processes on the machine take no part in it. */
export function growthOf(
  work: (size: number) => unknown,
  [small, large]: readonly [number, number],
): number {
  timeOf(() => work(small));
  const least = timeOf(() => work(small));
  return timeOf(() => work(large)) / least;
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
