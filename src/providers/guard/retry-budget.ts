const CALLS_A_RETRY = 10;
const MOST_SAVED = 20;

/** Retries are at most a tenth of the calls, so that a failing backend meets 10 % more load and never a multiple of it. */
export class RetryBudget {
  #calls = 0;

  /** Counts one call that was not a retry. */
  earn(): void {
    this.#calls = Math.min(this.#calls + 1, CALLS_A_RETRY * MOST_SAVED);
  }

  /** Whether one more retry is within the budget; takes it. */
  spend(): boolean {
    if (this.#calls < CALLS_A_RETRY) return false;
    this.#calls -= CALLS_A_RETRY;
    return true;
  }
}
