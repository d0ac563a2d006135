import {
  circuitBreaker,
  CircuitState,
  handleAll,
  type CircuitBreakerPolicy,
  type IBackoff,
} from 'cockatiel';
import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { GuardLimits } from './config.ts';
import { EitherBreaker } from './either-breaker.ts';

export type CircuitPosition = 'closed' | 'open' | 'half-open';

/** As far as the circuit is concerned, a call that the backend refused went well. */
type Answer<T> = { readonly value: T } | { readonly refusal: unknown };

/** Stops calling a backend that fails, and after a while lets one call through to see whether it is back. */
export class Circuit {
  readonly #clock: Clock;
  readonly #probeAfterMs: number;
  readonly #policy: CircuitBreakerPolicy;
  #probeAt = 0;

  constructor(limits: GuardLimits, clock: Clock) {
    this.#clock = clock;
    this.#probeAfterMs = limits.probeAfterMs;
    this.#policy = circuitBreaker(handleAll, {
      breaker: new EitherBreaker(limits.failuresToOpen),
      halfOpenAfter: { next: () => this.#wait() },
    });
  }

  position(): CircuitPosition {
    if (this.#policy.state === CircuitState.Closed) return 'closed';
    return this.#policy.state === CircuitState.HalfOpen ? 'half-open' : 'open';
  }

  /**
   * `isFault` says whether a failure of `work` is the backend's.
   * @throws ERR_PROVIDER_UNAVAILABLE, reason `circuit_open`, while open, and to all but the probing call while half open.
   */
  async pass<T>(work: () => Promise<T>, isFault: (error: unknown) => boolean): Promise<T> {
    this.#refuseUnlessPassable();
    const probing = this.position() === 'open';
    const answer = await this.#policy.execute(async (): Promise<Answer<T>> => {
      try {
        return { value: await work() };
      } catch (error) {
        if (isFault(error) || (probing && isTimeout(error))) throw error;
        return { refusal: error };
      }
    });
    if ('refusal' in answer) throw answer.refusal;
    return answer.value;
  }

  #refuseUnlessPassable(): void {
    const position = this.position();
    const waitMs = this.#probeAt - this.#clock.monotonic();
    if (position === 'closed' || (position === 'open' && waitMs <= 0)) return;
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
      reason: 'circuit_open',
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    });
  }

  /** The library compares wall-clock times; a length read from the monotonic clock keeps a jump of the wall clock from holding the circuit open. */
  #wait(): IBackoff<unknown> {
    this.#probeAt = this.#clock.monotonic() + this.#probeAfterMs;
    const isOver = (): boolean => this.#clock.monotonic() >= this.#probeAt;
    return {
      get duration() {
        return isOver() ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
      },
      next: () => this.#wait(),
    };
  }
}

/** A probe whose caller went away says nothing about the backend: the circuit stays open. */
function isTimeout(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'ERR_PROVIDER_TIMEOUT';
}
