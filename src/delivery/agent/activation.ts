import type { Clock } from '../../ports/clock.ts';
import type { Application, NewValue } from './application/application.ts';
import { Backoff } from '../../ports/backoff.ts';
import { DeliveryError } from '../failures.ts';
import type { HeldSecret } from '../files/held-secret.ts';
import type { Holding } from './holdings/holding.ts';
import type { AgentLog } from './agent-log.ts';
import type { Outbox } from './pending-reports.ts';

/** Where values go: files, as a rule. */
export interface Delivering {
  /**
   * `replaced`: what had other bytes before. @throws DeliveryError, with nothing handed over
   */
  deliver(
    values: ReadonlyMap<string, HeldSecret>,
  ): Promise<{ readonly changed: readonly string[]; readonly replaced: readonly string[] }>;
  remove(names: readonly string[]): Promise<void>;
  /** Before the first delivery: whether what lies here changed, and the application was not told of it to the end. */
  readonly isLeftUntold: boolean;
  /** The application is being told. @returns to be called when it took what lies here now */
  telling(): () => void;
}

export interface HandoverDeps {
  readonly deliveries: Delivering;
  readonly application: Application;
  readonly outbox: Outbox;
  readonly values: () => ReadonlyMap<string, HeldSecret>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Writes what has changed and then tells the application, again and again where writing fails. */
export class Handover {
  readonly #deps: HandoverDeps;
  readonly #backoff: Backoff;
  /** Not written yet. */
  readonly #waiting = new Map<string, NewValue>();
  /** Names of what could not be taken away yet. */
  readonly #unremoved = new Set<string>();
  #retryAt = Infinity;

  constructor(deps: HandoverDeps) {
    this.#deps = deps;
    this.#backoff = new Backoff(FIRST_RETRY_MS, LONGEST_RETRY_MS, deps.random);
  }

  get isFailing(): boolean {
    return this.#retryAt !== Infinity;
  }

  /** Monotonic milliseconds. */
  get retryAt(): number {
    return this.#retryAt;
  }

  /** The first time: the application has not begun, unless it may have seen other values than these. @throws DeliveryError */
  async begin(): Promise<void> {
    const { deliveries, application, values } = this.#deps;
    const { isLeftUntold } = deliveries;
    const { replaced } = await deliveries.deliver(values());
    if (isLeftUntold || replaced.length > 0) application.tellOthers();
    else deliveries.telling()();
  }

  /** Never throws for what cannot be written: it is reported, and tried again. */
  async changed(values: readonly NewValue[]): Promise<void> {
    for (const value of values) this.#waiting.set(value.name, value);
    await this.#deliver();
  }

  async retry(): Promise<void> {
    if (this.#deps.clock.monotonic() >= this.#retryAt) await this.#deliver();
  }

  /** What there is no right to any more goes at once, or as soon as it can be removed, and the application is told. */
  async lost(holdings: readonly Holding[]): Promise<void> {
    const { application, clock, log } = this.#deps;
    const names = holdings.map(({ name }) => name);
    for (const name of names) {
      this.#waiting.delete(name);
      this.#unremoved.add(name);
    }
    try {
      await this.#remove();
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      this.#retryAt = clock.monotonic() + this.#backoff.next();
      log.error({ names, error: error.message }, 'files could not be removed');
    }
    application.tell([]);
  }

  /** Needs no space, so it comes before anything that does. @throws DeliveryError */
  async #remove(): Promise<void> {
    const { deliveries, values } = this.#deps;
    const names = [...this.#unremoved].filter((name) => !values().has(name));
    if (names.length > 0) await deliveries.remove(names);
    this.#unremoved.clear();
  }

  async #deliver(): Promise<void> {
    const { deliveries, application, clock, log, outbox, values } = this.#deps;
    const waiting = [...this.#waiting.values()];
    try {
      await this.#remove();
      const { changed } = await deliveries.deliver(values());
      log.info({ names: waiting.map(({ name }) => name), targets: changed }, 'delivered');
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      this.#retryAt = clock.monotonic() + this.#backoff.next();
      log.error({ error: error.message }, 'delivery failed');
      const reports = waiting
        .filter(({ isCredential }) => !isCredential)
        .map(({ path, version }) => ({
          ...{ path, version, outcome: 'failed' as const, reason: 'delivery_failed' },
        }));
      outbox.add({ reports, release: [] });
      return;
    }
    this.#waiting.clear();
    this.#retryAt = Infinity;
    this.#backoff.reset();
    application.tell(waiting);
  }
}
