import type { Clock } from '../../ports/clock.ts';
import { Backoff } from '../../ports/backoff.ts';
import { factsOf, retryAfterOf } from './access/failure-kind.ts';
import type { AgentLog } from './agent-log.ts';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;

export interface BrokerContactDeps {
  readonly clock: Clock;
  /** Returns a random number in [0, 1). */
  readonly random: () => number;
  readonly log: AgentLog;
}

/** State of the contact: whether the broker answers, and when the agent may call it again after a failure. */
export class BrokerContact {
  readonly #clock: Clock;
  readonly #log: AgentLog;
  readonly #backoff: Backoff;
  #isUnavailable = false;
  /** Monotonic milliseconds. */
  #retryAt = 0;

  constructor({ clock, random, log }: BrokerContactDeps) {
    this.#clock = clock;
    this.#log = log;
    this.#backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, random);
  }

  get isUnavailable(): boolean {
    return this.#isUnavailable;
  }

  /** Monotonic milliseconds: no call before this time. */
  get retryAt(): number {
    return this.#retryAt;
  }

  get isDue(): boolean {
    return this.#clock.monotonic() >= this.#retryAt;
  }

  succeeded(): void {
    this.#backoff.reset();
    if (this.#isUnavailable) this.#log.info({}, 'the broker answers again');
    this.#isUnavailable = false;
  }

  /** Logs the first failure of an outage as a warning, the others for debugging. */
  report(error: unknown): void {
    const facts = factsOf(error);
    if (this.#isUnavailable) this.#log.debug(facts, 'the broker still does not serve this agent');
    else this.#log.warn(facts, 'the broker does not serve this agent now');
  }

  failed(error: unknown): void {
    this.#isUnavailable = true;
    this.#retryAt = this.#clock.monotonic() + this.#backoff.next(retryAfterOf(error));
  }
}
