import type { Clock } from '../../ports/clock.ts';

/** `Date` has whole seconds, and an answer takes a while: a smaller difference between two clocks cannot be measured. */
const MEASURABLE_MS = 2_000;

/**
 * The broker's clock, in which the ends of leases and sessions are stated. Between answers it advances with whichever clock of this machine advanced
 * further: the monotonic one stops while a machine sleeps, and the wall clock can be set back. So a lease may seem expired too early, never too late.
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

  /** The broker's time at an answer that has just arrived: milliseconds since the epoch. */
  learn(brokerNow: number): void {
    const wall = this.#clock.now();
    this.#broker = Math.abs(brokerNow - wall) < MEASURABLE_MS ? wall : brokerNow;
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

  /** Converts an instant of the broker's clock to this machine's wall clock. */
  here(instant: number): number {
    return this.#clock.now() + instant - this.now();
  }
}

/**
 * Computes when to renew a lease or session that ends at `endsAt`: at two thirds of the time that is left, and up to a tenth
 * later, so that what began together does not stay together. Never earlier: the broker extends a lease in its last third only.
 * Milliseconds; `random` in [0, 1).
 */
export function renewalTime(now: number, endsAt: number, random: () => number): number {
  return now + Math.max(0, endsAt - now) * (0.67 + random() * 0.1);
}
