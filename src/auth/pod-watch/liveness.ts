import type { Clock } from '../../ports/clock.ts';

type Status = 'starting' | 'live' | 'stale';

/** Silence, bookmarks included, after which nothing is concluded from the watch. */
const STALE_AFTER_MS = 60_000;

/** Whether the watch can be believed. Only a complete list makes it live; silence makes it stale. */
export class Liveness {
  readonly #clock: Clock;
  readonly #onStatus: (status: Status) => void;
  #announced: Status = 'starting';
  #heardAt = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(clock: Clock, onStatus: (status: Status) => void) {
    this.#clock = clock;
    this.#onStatus = onStatus;
  }

  /** Does not wait for a timer: a process that was suspended is stale at once. */
  status(): Status {
    if (this.#announced !== 'live') return this.#announced;
    return this.#silence() >= STALE_AFTER_MS ? 'stale' : 'live';
  }

  /** The watch spoke. A stale watch stays so: what it missed is not known yet. */
  heard(): void {
    if (this.status() === 'live') this.#heardAt = this.#clock.monotonic();
  }

  /** A list is complete. */
  synced(): void {
    this.#heardAt = this.#clock.monotonic();
    if (this.#announced === 'live') return;
    this.#announce('live');
    this.#await(STALE_AFTER_MS);
  }

  close(): void {
    this.#cancelTimer();
  }

  #silence(): number {
    return this.#clock.monotonic() - this.#heardAt;
  }

  #await(ms: number): void {
    this.#cancelTimer = this.#clock.after(ms, () => {
      const remaining = STALE_AFTER_MS - this.#silence();
      if (remaining > 0) this.#await(remaining);
      else this.#announce('stale');
    });
  }

  #announce(status: Status): void {
    this.#announced = status;
    this.#onStatus(status);
  }
}
