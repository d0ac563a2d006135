import type { Clock } from '../../ports/clock.ts';

/** `Date` has whole seconds, and an answer takes its time: less than this is no difference between two clocks. */
const NOTICED_MS = 2_000;

/**
 * What time the broker has: ends of leases and sessions are told in it. Between answers it goes on with whichever of this machine's
 * clocks ran further: the monotonic one stands still while a machine sleeps, the wall clock can be set back. So a lease may be taken for
 * ended too early, never too late.
 */
export class BrokerTime {
  readonly #clock: Clock;
  #broker: number;
  #wall: number;
  #monotonic: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#wall = clock.now();
    this.#broker = this.#wall;
    this.#monotonic = clock.monotonic();
  }

  /** The broker has just said what time it is. Milliseconds since the epoch. */
  learn(brokerNow: number): void {
    const wall = this.#clock.now();
    this.#broker = Math.abs(brokerNow - wall) < NOTICED_MS ? wall : brokerNow;
    this.#wall = wall;
    this.#monotonic = this.#clock.monotonic();
  }

  now(): number {
    const passed = Math.max(
      this.#clock.now() - this.#wall,
      this.#clock.monotonic() - this.#monotonic,
    );
    return this.#broker + passed;
  }

  /** The same instant on this machine's wall clock. */
  here(instant: number): number {
    return this.#clock.now() + instant - this.now();
  }
}
