import { setImmediate as loopTurn } from 'node:timers/promises';
import type { Clock } from '../../ports/clock.ts';

/** Reads that arrive meanwhile wait this long. */
const SLICE_MS = 2;

/**
 * Divides long work into slices, between which the process answers other requests. A slice is a time, not a number of items: the first request of a workload
 * costs a hundred times the second.
 */
export class LoopYielder {
  readonly #clock: Pick<Clock, 'monotonic'>;
  #endsAt: number;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
    this.#endsAt = clock.monotonic() + SLICE_MS;
  }

  /** True if `next` must be awaited before the next item. The getter costs no promise, unlike `next`. */
  get isOver(): boolean {
    return this.#clock.monotonic() >= this.#endsAt;
  }

  async next(): Promise<void> {
    await loopTurn();
    this.#endsAt = this.#clock.monotonic() + SLICE_MS;
  }
}
