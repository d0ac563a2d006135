/** Whoever stands in front of the broker may say any number: nobody is kept away for longer, and no timer gets what it cannot count. */
const LONGEST_RETRY_AFTER_SECONDS = 3_600;

/** Pauses between tries: full jitter up to a bound that doubles, never before `Retry-After`. Bounds in milliseconds; `random` in [0, 1). */
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
   * Milliseconds until the next try. The jitter begins after `Retry-After`, so that all who were told the same second do not come together
   * (AWS Architecture Blog, "Exponential Backoff And Jitter").
   */
  next(retryAfterSeconds = 0): number {
    const bound = Math.min(this.#longest, this.#first * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    return Math.min(retryAfterSeconds, LONGEST_RETRY_AFTER_SECONDS) * 1000 + this.#random() * bound;
  }

  reset(): void {
    this.#failures = 0;
  }
}
