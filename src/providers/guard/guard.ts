import { randomFraction } from '../../crypto/random/random.ts';
import { DurationTally } from '../../domain/time/duration-tally.ts';
import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { CallState } from '../../ports/backend.ts';
import { Backoff } from '../../ports/backoff.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TraceCall } from '../../ports/trace.ts';
import { Circuit } from './circuit.ts';
import type { GuardLimits } from './config.ts';
import { Deadline } from './deadline.ts';
import { FairBulkhead } from '../../ports/fair-bulkhead.ts';

/**
 * One attempt at the backend. It ends soon after `signal` aborts, and throws BrokerErrors, which `verdictOf`
 * judges.
 */
type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** Deadline, bulkhead, circuit and retries of one connection. Each failure is a BrokerError. */
export interface Guard {
  /**
   * Makes a call without effect. It is retried with full jitter, never before `retryAfterSeconds`, while deadline and
   * budget allow.
   * @throws ERR_PROVIDER_UNAVAILABLE (circuit open, queue full), ERR_PROVIDER_TIMEOUT, or what `work` threw.
   */
  read<T>(context: CallContext, work: Attempt<T>): Promise<T>;
  /**
   * Makes a call that changes something, in one attempt. @throws as `read`; after ERR_PROVIDER_TIMEOUT the outcome is
   * unknown.
   */
  effect<T>(context: CallContext, work: Attempt<T>): Promise<T>;
  state(): CallState;
}

export interface GuardParts {
  readonly clock: Clock;
  /** Name of the connection, which all its failures carry into the log. */
  readonly connection: string;
  readonly traceCall?: TraceCall | undefined;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** A shorter attempt that its caller's deadline ended says nothing about the backend. */
const TELLING_MS = 1000;
/** The caller of the broker's own work; the identity of a real caller is never empty. */
const BROKER = '';

/** Creates the guard of one connection; connections never share one. */
export function createGuard(limits: GuardLimits, parts: GuardParts): Guard {
  return new ConnectionGuard(limits, parts);
}

class ConnectionGuard implements Guard {
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  readonly #connection: string;
  readonly #traceCall: TraceCall | undefined;
  readonly #bulkhead: FairBulkhead;
  readonly #circuit: Circuit;
  readonly #budget = new RetryBudget();
  #calls = 0;
  #attempts = 0;
  #refused = 0;
  readonly #results = new Map<'ok' | ErrorCode, number>();
  readonly #durations = new DurationTally();

  constructor(limits: GuardLimits, { clock, connection, traceCall }: GuardParts) {
    this.#limits = limits;
    this.#clock = clock;
    this.#connection = connection;
    this.#traceCall = traceCall;
    this.#bulkhead = new FairBulkhead(limits.maxConcurrent, limits.maxQueue, queueFull);
    this.#circuit = new Circuit(limits, clock);
  }

  read<T>(context: CallContext, work: Attempt<T>): Promise<T> {
    return this.#callTraced(context, (deadline) => this.#repeat(deadline, context, work));
  }

  effect<T>(context: CallContext, work: Attempt<T>): Promise<T> {
    return this.#callTraced(context, (deadline) => this.#enter(deadline, context, work));
  }

  state(): CallState {
    return {
      circuit: this.#circuit.position(),
      inFlight: this.#bulkhead.inFlight,
      queued: this.#bulkhead.queued,
      calls: this.#calls,
      attempts: this.#attempts,
      refused: this.#refused,
      results: this.#results,
      durations: this.#durations,
    };
  }

  #callTraced<T>(context: CallContext, run: (deadline: Deadline) => Promise<T>): Promise<T> {
    if (this.#traceCall === undefined) return this.#call(context, run);
    return this.#traceCall(() => this.#call(context, run));
  }

  async #call<T>(context: CallContext, run: (deadline: Deadline) => Promise<T>): Promise<T> {
    this.#calls += 1;
    this.#budget.earn();
    const deadline = new Deadline(this.#limits.timeoutMs, context, this.#clock);
    const startedAt = this.#clock.monotonic();
    let result: 'ok' | ErrorCode = 'ok';
    try {
      return await deadline.race(() => run(deadline));
    } catch (cause) {
      const failure =
        cause instanceof BrokerError
          ? cause
          : new BrokerError('ERR_PROVIDER_FAILED', undefined, { cause });
      result = failure.code;
      throw failure.at({ connection: this.#connection });
    } finally {
      deadline.end();
      this.#results.set(result, (this.#results.get(result) ?? 0) + 1);
      this.#durations.add(this.#clock.monotonic() - startedAt);
    }
  }

  async #repeat<T>(deadline: Deadline, context: CallContext, work: Attempt<T>): Promise<T> {
    const backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, randomFraction);
    for (let retriesLeft = this.#limits.maxRetries; ; retriesLeft -= 1) {
      try {
        return await this.#enter(deadline, context, work);
      } catch (error) {
        const canRetry = retriesLeft > 0 && verdictOf(error).retryable && !isRefusal(error);
        const pauseMs = canRetry
          ? backoff.next(retryAfterSeconds(error))
          : Number.POSITIVE_INFINITY;
        if (pauseMs >= deadline.remainingMs() || !this.#budget.spend()) throw error;
        await this.#clock.sleep(pauseMs, deadline.signal);
      }
    }
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

/** Reports whether the guard refused the call, before the backend was called. */
function isRefusal(error: unknown): boolean {
  return (
    error instanceof BrokerError &&
    (error.reason === 'circuit_open' || error.reason === 'queue_full')
  );
}

function retryAfterSeconds(error: unknown): number | undefined {
  return error instanceof BrokerError ? error.retryAfterSeconds : undefined;
}

const CALLS_A_RETRY = 10;
const MOST_SAVED = 20;

/** Limits retries to a tenth of the calls, so that a failing backend meets 10 % more load and never a multiple of it. */
class RetryBudget {
  #calls = 0;

  /** Counts one call that was not a retry. */
  earn(): void {
    this.#calls = Math.min(this.#calls + 1, CALLS_A_RETRY * MOST_SAVED);
  }

  /** Takes one retry out of the budget; returns false if none is left. */
  spend(): boolean {
    if (this.#calls < CALLS_A_RETRY) return false;
    this.#calls -= CALLS_A_RETRY;
    return true;
  }
}

/** Conclusion about the backend from one failure. */
interface Verdict {
  /** True if the failure counts towards opening the circuit: the backend did not do its work. */
  readonly fault: boolean;
  /** True if a retry may help, provided that the call has no effect. */
  readonly retryable: boolean;
}

const ANSWERED: Verdict = { fault: false, retryable: false };

/**
 * Reads the code of a failure. A backend that refuses (`ERR_NOT_FOUND`, `ERR_PROVIDER_DENIED`, `ERR_PROVIDER_FAILED` with reason
 * `refused`) works. One that asks for less (`throttled`) works too, but may be asked again. Any other error is a fault.
 */
function verdictOf(error: unknown): Verdict {
  if (!(error instanceof BrokerError)) return { fault: true, retryable: false };
  if (error.code === 'ERR_PROVIDER_UNAVAILABLE') {
    return { fault: error.reason !== 'throttled', retryable: true };
  }
  if (error.code === 'ERR_PROVIDER_FAILED') {
    return error.reason === 'refused' ? ANSWERED : { fault: true, retryable: true };
  }
  const isBroken = error.code === 'ERR_PROVIDER_TIMEOUT' || error.code === 'ERR_PROVIDER_MALFORMED';
  return isBroken ? { fault: true, retryable: false } : ANSWERED;
}

function queueFull(): BrokerError {
  const options = { reason: 'queue_full', retryAfterSeconds: 1 };
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, options);
}
