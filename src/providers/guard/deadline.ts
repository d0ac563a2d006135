import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type { Clock } from '../../ports/clock.ts';

/** Deadline of one call: our limit or the caller's signal, whichever comes first. */
export class Deadline {
  readonly #controller = new AbortController();
  readonly #caller: AbortSignal;
  readonly #clock: Clock;
  readonly #endsAt: number;
  readonly #cancelTimer: () => void;

  constructor(timeoutMs: number, context: CallContext, clock: Clock) {
    this.#caller = context.signal;
    this.#clock = clock;
    this.#endsAt = clock.monotonic() + timeoutMs;
    this.#cancelTimer = clock.after(timeoutMs, () => this.#abort('deadline'));
    if (this.#caller.aborted) this.#giveUp();
    else this.#caller.addEventListener('abort', this.#giveUp, { once: true });
  }

  /** Signal that aborts with ERR_PROVIDER_TIMEOUT as its reason. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  remainingMs(): number {
    return this.#endsAt - this.#clock.monotonic();
  }

  /** The result of `work`, or ERR_PROVIDER_TIMEOUT as soon as the deadline passes, even while `work` continues. */
  async race<T>(work: () => Promise<T>): Promise<T> {
    this.signal.throwIfAborted();
    const { promise: passed, reject } = Promise.withResolvers<never>();
    const pass = (): void => reject(this.signal.reason as BrokerError);
    this.signal.addEventListener('abort', pass, { once: true });
    try {
      return await Promise.race([passed, work()]);
    } catch (error) {
      // Work that honours the signal fails with its own error.
      this.signal.throwIfAborted();
      throw error;
    } finally {
      this.signal.removeEventListener('abort', pass);
    }
  }

  end(): void {
    this.#cancelTimer();
    this.#caller.removeEventListener('abort', this.#giveUp);
  }

  readonly #giveUp = (): void => {
    const reason: unknown = this.#caller.reason;
    const ranOut =
      reason instanceof BrokerError ? reason.kind === 'timeout' : nameOf(reason) === 'TimeoutError';
    this.#abort(ranOut ? 'deadline' : 'cancelled');
  };

  #abort(reason: 'deadline' | 'cancelled'): void {
    this.#controller.abort(new BrokerError('ERR_PROVIDER_TIMEOUT', undefined, { reason }));
  }
}

/**
 * Reads the name of an abort reason. `AbortSignal.timeout` aborts with a DOMException, which is not an `Error` on every
 * runtime.
 */
function nameOf(reason: unknown): unknown {
  return typeof reason === 'object' && reason !== null && 'name' in reason
    ? reason.name
    : undefined;
}
