import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from 'cockatiel';
import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import { Circuit, type CircuitPosition } from './circuit.ts';
import type { GuardLimits } from './config.ts';
import { Deadline } from './deadline.ts';
import { FairBulkhead } from './fair-bulkhead.ts';
import { RetryBudget } from './retry-budget.ts';
import { verdictOf } from './verdict.ts';

export interface GuardState {
  readonly circuit: CircuitPosition;
  readonly inFlight: number;
  readonly queued: number;
  /** Since the start: calls asked for, attempts that reached the backend, attempts refused before they did. */
  readonly calls: number;
  readonly attempts: number;
  readonly refused: number;
}

/** One attempt at the backend. Ends soon after `signal` aborts; throws BrokerErrors, which `guard/verdict.ts` reads. */
type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** Deadline, bulkhead, circuit and retries of one connection. What it throws is always a BrokerError. */
export interface Guard {
  /**
   * A call without effect: repeated with full jitter, or when `retryAfterSeconds` says, while deadline and budget allow.
   * @throws ERR_PROVIDER_UNAVAILABLE (circuit open, queue full), ERR_PROVIDER_TIMEOUT, or what `work` threw.
   */
  read<T>(context: CallContext, work: Attempt<T>): Promise<T>;
  /** A call that changes something: one attempt. @throws as `read`; after ERR_PROVIDER_TIMEOUT the outcome is unknown. */
  effect<T>(context: CallContext, work: Attempt<T>): Promise<T>;
  state(): GuardState;
}

export interface GuardParts {
  readonly clock: Clock;
}

const BACKOFF = { initialDelay: 100, maxDelay: 2000, generator: fullJitterGenerator };
/** A shorter attempt that ran into its caller's deadline says nothing about the backend. */
const TELLING_MS = 1000;
/** In the place of a caller's identity, which is never empty: work that the broker does by itself. */
const BROKER = '';

/** A guard for one connection; connections never share one. */
export function createGuard(limits: GuardLimits, parts: GuardParts): Guard {
  return new ConnectionGuard(limits, parts.clock);
}

class ConnectionGuard implements Guard {
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  readonly #bulkhead: FairBulkhead;
  readonly #circuit: Circuit;
  readonly #budget = new RetryBudget();
  #calls = 0;
  #attempts = 0;
  #refused = 0;

  constructor(limits: GuardLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#bulkhead = new FairBulkhead(limits.maxConcurrent, limits.maxQueue);
    this.#circuit = new Circuit(limits, clock);
  }

  read<T>(context: CallContext, work: Attempt<T>): Promise<T> {
    return this.#call(context, (deadline) => this.#repeat(deadline, context, work));
  }

  effect<T>(context: CallContext, work: Attempt<T>): Promise<T> {
    return this.#call(context, (deadline) => this.#enter(deadline, context, work));
  }

  state(): GuardState {
    return {
      circuit: this.#circuit.position(),
      inFlight: this.#bulkhead.inFlight,
      queued: this.#bulkhead.queued,
      calls: this.#calls,
      attempts: this.#attempts,
      refused: this.#refused,
    };
  }

  async #call<T>(context: CallContext, run: (deadline: Deadline) => Promise<T>): Promise<T> {
    this.#calls += 1;
    this.#budget.earn();
    const deadline = new Deadline(this.#limits.timeoutMs, context, this.#clock);
    try {
      return await deadline.race(() => run(deadline));
    } catch (error) {
      if (error instanceof BrokerError) throw error;
      throw new BrokerError('ERR_PROVIDER_FAILED', undefined, { cause: error });
    } finally {
      deadline.end();
    }
  }

  #repeat<T>(deadline: Deadline, context: CallContext, work: Attempt<T>): Promise<T> {
    let pause = new ExponentialBackoff(BACKOFF).next();
    let pauseMs = 0;
    let retriesLeft = this.#limits.maxRetries;
    const worthRepeating = handleWhen((error) => {
      if (retriesLeft === 0 || !verdictOf(error).retryable || isRefusal(error)) return false;
      pauseMs = retryAfterMs(error) ?? pause.duration;
      return pauseMs < deadline.remainingMs() && this.#budget.spend();
    });
    // The library's own pause follows neither our clock nor the signal: it stays at none, and ours begins the next attempt.
    const policy = retry(worthRepeating, { maxAttempts: retriesLeft }).dangerouslyUnref();
    return policy.execute(async ({ attempt }) => {
      if (attempt > 0) {
        retriesLeft -= 1;
        pause = pause.next(undefined);
        await this.#clock.sleep(pauseMs, deadline.signal);
      }
      return this.#enter(deadline, context, work);
    });
  }

  async #enter<T>(
    deadline: Deadline,
    { caller = BROKER }: CallContext,
    work: Attempt<T>,
  ): Promise<T> {
    try {
      return await this.#bulkhead.run(caller, deadline.signal, () => this.#pass(deadline, work));
    } catch (error) {
      if (isRefusal(error)) this.#refused += 1;
      throw error;
    }
  }

  #pass<T>(deadline: Deadline, work: Attempt<T>): Promise<T> {
    let startedAt = this.#clock.monotonic();
    const attempt = (): Promise<T> => {
      this.#attempts += 1;
      startedAt = this.#clock.monotonic();
      return deadline.race(() => work(deadline.signal));
    };
    const isFault = (error: unknown): boolean => {
      if (!deadline.signal.aborted) return verdictOf(error).fault;
      const tellingMs = Math.min(TELLING_MS, this.#limits.timeoutMs / 2);
      const ranOut = (deadline.signal.reason as BrokerError).reason === 'deadline';
      return ranOut && this.#clock.monotonic() - startedAt >= tellingMs;
    };
    return this.#circuit.pass(attempt, isFault);
  }
}

/** Refused here, before the backend was asked. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof BrokerError &&
    (error.reason === 'circuit_open' || error.reason === 'queue_full')
  );
}

function retryAfterMs(error: unknown): number | undefined {
  if (!(error instanceof BrokerError) || error.retryAfterSeconds === undefined) return undefined;
  return error.retryAfterSeconds * 1000;
}
