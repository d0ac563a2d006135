/** Caps `Retry-After`, because a proxy in front of the broker may send any number. The cap also keeps the timer within its range. */
const LONGEST_RETRY_AFTER_SECONDS = 3_600;

/** The delay before the next retry, after `retries` earlier ones. It doubles up to `longest`. */
export function doubledDelay(first: number, longest: number, retries: number): number {
  return Math.min(longest, first * 2 ** Math.min(retries, 30));
}

/**
 * Delays between retries with full jitter. The upper bound doubles, and no delay is shorter than `Retry-After`. Bounds are in milliseconds; `random`
 * is in [0, 1).
 */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  readonly #random: () => number;
  #failures = 0;

  constructor(first: number, longest: number, random: () => number) {
    this.#first = first;
    this.#longest = longest;
    this.#random = random;
  }

  /**
   * Returns the milliseconds until the next attempt. Jitter is added to `Retry-After`, so clients with the same value do not return at the same
   * moment (AWS Architecture Blog, "Exponential Backoff And Jitter").
   */
  next(retryAfterSeconds = 0): number {
    const bound = doubledDelay(this.#first, this.#longest, this.#failures);
    this.#failures += 1;
    return Math.min(retryAfterSeconds, LONGEST_RETRY_AFTER_SECONDS) * 1000 + this.#random() * bound;
  }

  reset(): void {
    this.#failures = 0;
  }
}
