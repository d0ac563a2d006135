import type { Clock } from '../../src/ports/clock.ts';

interface Timer {
  readonly at: number;
  readonly work: () => void;
}

/** A clock that stands still until a test steps it; what falls due runs during the step, in order. */
export class SteppedClock implements Clock {
  #now: number;
  #elapsed = 0;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  after(ms: number, work: () => void): () => void {
    const timer = { at: this.#elapsed + ms, work };
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  get waiting(): number {
    return this.#timers.size;
  }

  step(ms: number): void {
    const end = this.#elapsed + ms;
    for (let due = this.#next(end); due !== undefined; due = this.#next(end)) {
      this.#timers.delete(due);
      this.#move(due.at);
      due.work();
    }
    this.#move(end);
  }

  #next(end: number): Timer | undefined {
    return [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
  }

  #move(elapsed: number): void {
    this.#now += elapsed - this.#elapsed;
    this.#elapsed = elapsed;
  }
}
