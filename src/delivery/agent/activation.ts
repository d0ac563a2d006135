import { Backoff } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { DeliveryError } from '../failures.ts';
import type { DeliveredSecret } from '../files/delivered-secret.ts';
import type { AgentLog } from './agent-log.ts';
import type { Application, NewValue } from './application/application.ts';
import type { Holding } from './holdings/holding.ts';
import type { PendingReports } from './pending-reports.ts';

/** Destination of values: files, as a rule. */
export interface Delivering {
  /** `replaced`: targets that had other bytes before. @throws DeliveryError, with nothing delivered */
  deliver(
    values: ReadonlyMap<string, DeliveredSecret>,
  ): Promise<{ readonly changed: readonly string[]; readonly replaced: readonly string[] }>;
  remove(names: readonly string[]): Promise<void>;
  /** True, before the first delivery, if an earlier agent changed files and did not finish the notification. */
  readonly isNotificationPending: boolean;
  /** Begins a notification. @returns a function to call when the application has the delivered values */
  beginNotification(): () => void;
}

export interface ActivationDeps {
  readonly deliveries: Delivering;
  readonly application: Application;
  readonly reports: PendingReports;
  readonly values: () => ReadonlyMap<string, DeliveredSecret>;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** Writes changed values and then notifies the application. Retries failed writes and removals. */
export class Activation {
  readonly #deps: ActivationDeps;
  readonly #backoff: Backoff;
  /** Values that are not written yet, by name. */
  readonly #unwritten = new Map<string, NewValue>();
  /** Names of revoked secrets whose files are not removed yet. */
  readonly #unremoved = new Set<string>();
  #retryAt = Infinity;

  constructor(deps: ActivationDeps) {
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

  /** The first delivery. The application has not started, unless it may have seen other values before. @throws DeliveryError */
  async begin(): Promise<void> {
    const { deliveries, application, values } = this.#deps;
    const { isNotificationPending } = deliveries;
    const { replaced } = await deliveries.deliver(values());
    if (isNotificationPending || replaced.length > 0) application.notifyWithoutChild();
    else deliveries.beginNotification()();
  }

  /** Delivers the values. It never throws for values that cannot be written: it reports and retries them. */
  async deliver(values: readonly NewValue[]): Promise<void> {
    for (const value of values) this.#unwritten.set(value.name, value);
    await this.#write();
  }

  async retry(): Promise<void> {
    if (this.#deps.clock.monotonic() >= this.#retryAt) await this.#write();
  }

  /** Removes the files of secrets without access, at once or as soon as possible, and notifies the application. */
  async revoke(holdings: readonly Holding[]): Promise<void> {
    const { application, clock, log } = this.#deps;
    const names = holdings.map(({ name }) => name);
    for (const name of names) {
      this.#unwritten.delete(name);
      this.#unremoved.add(name);
    }
    try {
      await this.#remove();
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      this.#retryAt = clock.monotonic() + this.#backoff.next();
      log.error({ names, error: error.message }, 'files could not be removed');
    }
    application.notify([]);
  }

  /** Removes files first, because that needs no space. @throws DeliveryError */
  async #remove(): Promise<void> {
    const { deliveries, values } = this.#deps;
    const names = [...this.#unremoved].filter((name) => !values().has(name));
    if (names.length > 0) await deliveries.remove(names);
    this.#unremoved.clear();
  }

  async #write(): Promise<void> {
    const { deliveries, application, clock, log, reports, values } = this.#deps;
    const unwritten = [...this.#unwritten.values()];
    try {
      await this.#remove();
      const { changed } = await deliveries.deliver(values());
      log.info({ names: unwritten.map(({ name }) => name), targets: changed }, 'delivered');
    } catch (error) {
      if (!(error instanceof DeliveryError)) throw error;
      this.#retryAt = clock.monotonic() + this.#backoff.next();
      log.error({ error: error.message }, 'delivery failed');
      reports.add({ reports: failureReports(unwritten), release: [] });
      return;
    }
    this.#unwritten.clear();
    this.#retryAt = Infinity;
    this.#backoff.reset();
    application.notify(unwritten);
  }
}

function failureReports(values: readonly NewValue[]) {
  return values
    .filter(({ isCredential }) => !isCredential)
    .map(({ path, version }) => ({
      path,
      version,
      outcome: 'failed' as const,
      reason: 'delivery_failed',
    }));
}
