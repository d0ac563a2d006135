import { ConsecutiveBreaker, CountBreaker, type CircuitState, type IBreaker } from 'cockatiel';

const SAMPLE_CALLS = 20;

/** Opens after failures in a row, or when over half of the last twenty calls failed: a backend that answers every third call is down too. */
export class EitherBreaker implements IBreaker {
  readonly #breakers: readonly IBreaker[];

  constructor(failuresToOpen: number) {
    this.#breakers = [
      new ConsecutiveBreaker(failuresToOpen),
      new CountBreaker({ threshold: 0.5, size: SAMPLE_CALLS }),
    ];
  }

  get state(): unknown {
    return this.#breakers.map((breaker) => breaker.state);
  }

  success(state: CircuitState): void {
    for (const breaker of this.#breakers) breaker.success(state);
  }

  failure(state: CircuitState): boolean {
    return this.#breakers.map((breaker) => breaker.failure(state)).includes(true);
  }
}
