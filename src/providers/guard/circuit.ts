import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { GuardLimits } from './config.ts';

export type CircuitPosition = 'closed' | 'open' | 'half-open';

/** Calls over which the share of failures is measured. */
const SAMPLE_CALLS = 20;

/**
 * Stops calling a backend that fails, and after a while lets one call through as a probe. It opens after failures in a row, and when over half of
 * the last twenty calls failed: a backend that answers every third call is down too.
 */
export class Circuit {
  readonly #limits: GuardLimits;
  readonly #clock: Clock;
  #position: CircuitPosition = 'closed';
  #probeAt = 0;
  #failuresInRow = 0;
  /** The last calls, oldest first; true: failed. */
  #recent: boolean[] = [];

  constructor(limits: GuardLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  position(): CircuitPosition {
    return this.#position;
  }

  /**
   * `isFault` says whether a failure of `work` counts against the backend.
   * @throws ERR_PROVIDER_UNAVAILABLE, reason `circuit_open`, while open, and for all but the probe while half open.
   */
  async pass<T>(work: () => Promise<T>, isFault: (error: unknown) => boolean): Promise<T> {
    const isProbe = this.#admit();
    try {
      const value = await work();
      this.#succeed(isProbe);
      return value;
    } catch (error) {
      // A probe whose caller disconnected shows nothing about the backend: the circuit stays open.
      if (isFault(error) || (isProbe && isTimeout(error))) this.#fail(isProbe);
      else this.#succeed(isProbe);
      throw error;
    }
  }

  /**
   * Reports whether the call is the probe. The monotonic clock keeps a jump of the wall clock from holding the circuit
   * open.
   */
  #admit(): boolean {
    if (this.#position === 'closed') return false;
    const waitMs = this.#probeAt - this.#clock.monotonic();
    if (this.#position === 'open' && waitMs <= 0) {
      this.#position = 'half-open';
      return true;
    }
    throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, {
      reason: 'circuit_open',
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    });
  }

  #succeed(isProbe: boolean): void {
    this.#failuresInRow = 0;
    if (isProbe) this.#recent = [];
    this.#record(false);
    if (isProbe && this.#position === 'half-open') this.#position = 'closed';
  }

  /** A call that began before the circuit opened may fail after: it does not postpone the probe. */
  #fail(isProbe: boolean): void {
    this.#failuresInRow += 1;
    this.#record(true);
    if (this.#position === 'open' || !(isProbe || this.#isTooMany())) return;
    this.#position = 'open';
    this.#probeAt = this.#clock.monotonic() + this.#limits.probeAfterMs;
  }

  #record(failed: boolean): void {
    this.#recent.push(failed);
    if (this.#recent.length > SAMPLE_CALLS) this.#recent.shift();
  }

  #isTooMany(): boolean {
    if (this.#failuresInRow >= this.#limits.failuresToOpen) return true;
    const failures = this.#recent.filter((failed) => failed).length;
    return this.#recent.length === SAMPLE_CALLS && failures > SAMPLE_CALLS / 2;
  }
}

function isTimeout(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'ERR_PROVIDER_TIMEOUT';
}
