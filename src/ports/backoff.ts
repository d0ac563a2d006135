/** A proxy in front of the broker may send any number: no client waits longer, and no timer gets a number that it cannot count. */
const LONGEST_RETRY_AFTER_SECONDS = 3_600;

/** The delay before the retry that follows `retries` others: doubles up to `longest`. */
export function doubledDelay(first: number, longest: number, retries: number): number {
  return Math.min(longest, first * 2 ** Math.min(retries, 30));
}

/** Delays between retries: full jitter up to a bound that doubles, never before `Retry-After`. Bounds in milliseconds; `random` in [0, 1). */
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
   * Milliseconds until the next try. The jitter begins after `Retry-After`, so that clients that got the same number do not return at once
   * (AWS Architecture Blog, "Exponential Backoff And Jitter").
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
