import type { Clock } from '../../../src/ports/clock.ts';

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

/** A clock that the test moves. Due timers run in order, inside `advance`. */
export class HandClock implements Clock {
  #wall: number;
  #monotonic = 0;
  readonly #timers = new Set<Timer>();

  constructor(wall = Date.UTC(2026, 0, 1)) {
    this.#wall = wall;
  }

  /** Whole milliseconds, like the system's clock: a timer with a fraction leaves one behind, and stores accept no fractional time. */
  now(): number {
    return Math.round(this.#wall);
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.#monotonic + ms, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = this.after(ms, () => resolve(undefined));
    const abort = (): void => {
      cancel();
      reject(signal?.reason as Error);
    };
    if (signal?.aborted === true) abort();
    else signal?.addEventListener('abort', abort, { once: true });
    return promise;
  }

  advance(ms: number): void {
    const end = this.#monotonic + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#move(due.at);
      this.#timers.delete(due);
      due.work();
    }
    this.#move(end);
  }

  /** A jump of the wall clock; monotonic time and timers do not change. */
  setWall(wall: number): void {
    this.#wall = wall;
  }

  #next(end: number): Timer | undefined {
    const due = [...this.#timers].filter((timer) => timer.at <= end);
    return due.sort((left, right) => left.at - right.at)[0];
  }

  #move(monotonic: number): void {
    this.#wall += monotonic - this.#monotonic;
    this.#monotonic = monotonic;
  }
}
