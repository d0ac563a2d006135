import type { Clock } from '../../ports/clock.ts';

type Status = 'starting' | 'live' | 'stale';

/** Silence, without any event or bookmark, after which the watch proves nothing. */
const STALE_AFTER_MS = 60_000;

/** State that tells whether the watch is trusted. Only a complete list makes it live; silence makes it stale. */
export class Liveness {
  readonly #clock: Clock;
  readonly #onStatus: (status: Status) => void;
  #announced: Status = 'starting';
  #aliveAt = 0;
  #cancelTimer: () => void = () => undefined;

  constructor(clock: Clock, onStatus: (status: Status) => void) {
    this.#clock = clock;
    this.#onStatus = onStatus;
  }

  /** Computes the status without a timer: a process that was suspended is stale at once. */
  status(): Status {
    if (this.#announced !== 'live') return this.#announced;
    return this.#silence() >= STALE_AFTER_MS ? 'stale' : 'live';
  }

  /** The watch received an event. A stale watch stays stale, because it may have missed events. */
  alive(): void {
    if (this.status() === 'live') this.#aliveAt = this.#clock.monotonic();
  }

  /** A list is complete. */
  synced(): void {
    this.#aliveAt = this.#clock.monotonic();
    if (this.#announced === 'live') return;
    this.#announce('live');
    this.#await(STALE_AFTER_MS);
  }

  close(): void {
    this.#cancelTimer();
  }

  #silence(): number {
    return this.#clock.monotonic() - this.#aliveAt;
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
