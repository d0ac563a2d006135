/** Time as a dependency. Tests use a fake clock and advance it by hand. */
export interface Clock {
  /** Wall clock, milliseconds since the epoch. */
  now(): number;
  /**
   * Milliseconds by which this clock is known to be ahead of the time that others state: issuers in tokens, clients in proofs. Absent or 0 unless the system
   * clock jumped ahead and came back.
   */
  ahead?(): number;
  /** Monotonic milliseconds, for durations and deadlines. A jump of the wall clock does not change it. */
  monotonic(): number;
  /** Runs `work` once after `ms`; the returned function cancels it. Timers never keep the process alive. */
  after(ms: number, work: () => void): () => void;
  /** Resolves after `ms`; rejects with `signal.reason`. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The time by which others state times: issuers in their tokens, clients in their proofs. */
export function statedNow(clock: Pick<Clock, 'now' | 'ahead'>): number {
  return clock.now() - (clock.ahead?.() ?? 0);
}
