/** Time as a dependency. The fake of the tests is advanced by hand. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds, for durations and deadlines: a live jump of the wall clock does not move it. */
  monotonic(): number;
  /** Runs `work` once after `ms`; the returned function cancels it. Timers never keep the process alive. */
  after(ms: number, work: () => void): () => void;
  /** Resolves after `ms`; rejects with `signal.reason`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
