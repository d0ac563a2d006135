/** Time as a dependency. Tests use a fake clock and advance it by hand. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /** Monotonic milliseconds, for durations and deadlines. A jump of the wall clock does not change it. */
  monotonic(): number;
  /** Runs `work` once after `ms`; the returned function cancels it. Timers never keep the process alive. */
  after(ms: number, work: () => void): () => void;
  /** Resolves after `ms`; rejects with `signal.reason`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
