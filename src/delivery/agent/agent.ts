import { ApiError } from '../../client/index.ts';
import { withDeadline } from '../../ports/deadline.ts';
import { AgentFailure, Denied, OutOfTime } from '../failures.ts';
import type { DeliveredSecret } from '../files/delivered-secret.ts';
import type { Settings } from '../settings/settings.ts';
import type { AgentSession } from './access/broker-access.ts';
import { factsOf, failureKind } from './access/failure-kind.ts';
import { agentParts, type AgentDeps, type AgentParts } from './agent-parts.ts';
import { EventFollower, type EventListener } from './event-follower.ts';
import type { Holding } from './holdings/holding.ts';
import type { Refusal } from './holdings/holdings.ts';
import { UnreadableToken } from './read-token.ts';
import { NotRefreshed } from './refreshes.ts';

export interface AgentState {
  readonly ready: boolean;
  /** Codes. */
  readonly reasons: readonly string[];
}

/** Longest wait: timers stop while a machine sleeps, so the wall clock is checked when it wakes up. */
const LONGEST_WAIT_MS = 30_000;
/** Pause between two fetches of everything while there is no event stream. */
const POLL_MS = 60_000;
const END_SESSION_MS = 5_000;

/**
 * The secrets of one workload, from the login to the end. It repeats one cycle: keep a session, renew leases, fetch what is due or changed, write files
 * and notify the application, report to the broker, then wait. Many agents can live in one process.
 */
export class Agent {
  readonly #settings: Settings;
  readonly #deps: AgentDeps;
  readonly #parts: AgentParts;
  #follower: EventFollower | undefined;
  /** All required secrets have been delivered once. */
  #hasStarted = false;
  /** Monotonic milliseconds. */
  #pollAt = Infinity;

  constructor(settings: Settings, deps: AgentDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#parts = agentParts(settings, deps);
  }

  /** Reports whether the application can rely on its files, and what is wrong. */
  state(): AgentState {
    const { holdings, activation, contact } = this.#parts;
    const isMissing = holdings.missing().length > 0;
    const isStale = holdings.all.some(({ value }) => value?.stale === true);
    const reasons = [
      ...(this.#hasStarted ? [] : ['starting']),
      ...(this.#hasStarted && isMissing ? ['secret_missing'] : []),
      ...(contact.isUnavailable ? ['broker_unreachable'] : []),
      ...(this.#follower?.isOpen === false ? ['no_event_stream'] : []),
      ...(isStale ? ['stale'] : []),
      ...(activation.isFailing ? ['delivery_failed'] : []),
    ];
    return { ready: this.#hasStarted && !isMissing, reasons };
  }

  /** Finds a secret by name or path. */
  find(id: string): DeliveredSecret | undefined {
    return this.#parts.holdings.find(id)?.value;
  }

  values(): ReadonlyMap<string, DeliveredSecret> {
    return this.#parts.holdings.values();
  }

  /** Fetches the secret first, unless it was fetched within the last second. @throws NotRefreshed */
  async refresh(id: string): Promise<DeliveredSecret | undefined> {
    const { holdings, queue, timer, contact, refreshes } = this.#parts;
    const holding = holdings.find(id);
    if (holding === undefined || refreshes.isFresh(holding)) return holding?.value;
    if (!this.#hasStarted || contact.isUnavailable) throw new NotRefreshed();
    const refreshed = refreshes.next(holding);
    queue.addNow([holding]);
    timer.wake();
    await refreshed;
    return holding.value;
  }

  /** Resolves when the application was notified of all deliveries, or the notification failed. */
  async waitForNotifications(): Promise<void> {
    await this.#parts.application.idle();
  }

  /**
   * Resolves when all required secrets are delivered.
   * @throws Denied, DeliveryError, UnreadableToken; the reason of `signal`
   */
  async start(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#cycle(signal);
      if (this.#hasStarted) return;
      signal.throwIfAborted();
      await this.#wait(signal);
    }
  }

  /** Keeps the deliveries current until `signal` aborts. @throws OutOfTime if a lease expired and the configuration says `fail` */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#wait(signal);
      if (signal.aborted) return;
      await this.#cycle(signal);
    }
  }

  /**
   * Lets a notification in progress finish, because it may need the files. Then it ends the session if the configuration says so, and with it leases
   * and credentials.
   */
  async stop(): Promise<void> {
    const { application, keeper, refreshes } = this.#parts;
    this.#follower?.close();
    refreshes.fail();
    await application.end();
    if (!this.#deps.isResident || !this.#settings.endSessionOnExit) return;
    try {
      await withDeadline(this.#deps.clock, END_SESSION_MS, (signal) => keeper.end(signal));
    } catch (error) {
      this.#deps.log.info(factsOf(error), 'the session could not be ended; it expires');
    }
  }

  async #cycle(signal: AbortSignal): Promise<void> {
    const { activation, contact, refreshes } = this.#parts;
    // Files are written and removed without the broker.
    if (this.#hasStarted) await activation.retry();
    if (contact.isDue) {
      try {
        await this.#callBroker(signal);
        contact.succeeded();
      } catch (error) {
        refreshes.fail();
        if (signal.aborted) return;
        await this.#handleFailure(error);
        contact.failed(error);
      }
    }
    await this.#expireLeases();
  }

  async #callBroker(signal: AbortSignal): Promise<void> {
    const { fetcher, holdings, time, queue, reports } = this.#parts;
    const session = await this.#currentSession(signal);
    if (this.#deps.clock.monotonic() >= this.#pollAt) this.#poll();
    const exhausted = await fetcher.renewCredentials(session, signal);
    const due = new Set([...queue.take(), ...holdings.due(time.now()), ...exhausted]);
    if (due.size > 0) await this.#fetch(session, [...due], signal);
    this.#follower?.start();
    if (!this.#hasStarted) return;
    if (await reports.send(session, signal)) queue.add(holdings.all);
  }

  async #currentSession(signal: AbortSignal): Promise<AgentSession> {
    const { keeper, holdings } = this.#parts;
    const before = keeper.session;
    const formerEnd = before?.endsAt ?? 0;
    const session = await keeper.current(signal);
    if (session !== before) this.#adopt(session);
    else if (session.endsAt > formerEnd) {
      for (const holding of holdings.all) holding.sessionExtended(formerEnd);
    }
    return session;
  }

  /** Leases belong to a session: under a new one everything is fetched. */
  #adopt(session: AgentSession): void {
    const { holdings, reports, queue } = this.#parts;
    this.#follower?.close();
    for (const holding of holdings.all) holding.newSession();
    reports.newSession();
    queue.addNow(holdings.all);
    if (!this.#deps.isResident) return;
    this.#follower = new EventFollower(session, this.#listener(), this.#deps);
    this.#pollAt = this.#deps.clock.monotonic() + POLL_MS;
  }

  #listener(): EventListener {
    const { queue, holdings, reports, keeper, timer } = this.#parts;
    const refetch = (list: readonly Holding[]): void => {
      queue.add(list);
      timer.wake();
    };
    return {
      changed: (path) => refetch(holdings.at(path)),
      leasesChanged: () => {
        if (!reports.isOwnEvent()) refetch(holdings.all);
      },
      missed: () => {
        reports.expectNoEvents();
        refetch(holdings.all);
      },
      sessionEnded: () => {
        this.#deps.log.info({}, 'the session was ended');
        keeper.invalidate();
        timer.wake();
      },
    };
  }

  #poll(): void {
    const { clock, random } = this.#deps;
    const { queue, holdings } = this.#parts;
    if (this.#follower?.isOpen === false) queue.addNow(holdings.all);
    this.#pollAt = clock.monotonic() + POLL_MS * (0.8 + random() * 0.4);
  }

  async #fetch(session: AgentSession, list: readonly Holding[], signal: AbortSignal) {
    const { fetcher, queue, activation, refreshes } = this.#parts;
    const finish = refreshes.begin(list);
    try {
      const { values, lost, refusals } = await fetcher.fetch(session, list, signal);
      if (!this.#hasStarted) await this.#deliverFirst(refusals);
      else {
        if (lost.length > 0) await activation.revoke(lost);
        if (values.length > 0) await activation.deliver(values);
      }
      finish(refusals);
    } catch (error) {
      finish();
      queue.addNow(list);
      throw error;
    }
  }

  /** @throws Denied if a required secret is refused for good */
  async #deliverFirst(refusals: readonly Refusal[]): Promise<void> {
    const { holdings, activation } = this.#parts;
    const final = refusals.filter(
      ({ holding, kind }) => kind !== 'unavailable' && !holding.settings.optional,
    );
    if (final.length > 0) throw new Denied(final.map(refusalText).join('; '));
    if (holdings.missing().length > 0) return;
    await activation.begin();
    this.#hasStarted = true;
    this.#deps.log.info({ names: [...holdings.values().keys()] }, 'delivered');
  }

  /** @throws what ends the agent */
  async #handleFailure(error: unknown): Promise<void> {
    const { keeper, contact } = this.#parts;
    if (error instanceof AgentFailure) {
      if (!this.#hasStarted || !(error instanceof UnreadableToken)) throw error;
      this.#deps.log.error({ error: error.message }, 'no token to log in with');
      return;
    }
    const kind = failureKind(error);
    const isLogin = error instanceof ApiError && error.operation === 'createSession';
    if (kind === 'unauthenticated' && !isLogin) keeper.invalidate();
    else if (kind !== 'unavailable' && !this.#hasStarted) {
      throw new Denied((error as Error).message);
    }
    contact.report(error);
    if (isLogin && kind !== 'unavailable' && keeper.wasRevoked) await this.#revokeAll();
  }

  /** The session was ended early and the broker refuses another: values that were read under it must not be kept. */
  async #revokeAll(): Promise<void> {
    const held = this.#parts.holdings.all.filter(({ value }) => value !== undefined);
    if (held.length === 0) return;
    this.#deps.log.warn({ names: held.map(({ name }) => name) }, 'access was revoked');
    for (const holding of held) holding.drop();
    await this.#parts.activation.revoke(held);
  }

  /**
   * Handles leases that expired while the broker could not be reached. Before the first delivery there is nothing to keep, remove or end: the files are
   * those of an earlier agent, under leases of its own. @throws OutOfTime
   */
  async #expireLeases(): Promise<void> {
    const { holdings, time, activation } = this.#parts;
    const expired = holdings.expired(time.now());
    if (expired.length === 0) return;
    const names = expired.map(({ name }) => name);
    const { whenUnreachable } = this.#settings;
    if (!this.#hasStarted) {
      for (const holding of expired) holding.leaseExpired(false);
      return;
    }
    if (whenUnreachable === 'fail') {
      throw new OutOfTime(`leases expired while the broker was unreachable: ${names.join(', ')}`);
    }
    this.#deps.log.warn(
      { names, then: whenUnreachable },
      'leases expired while the broker was unreachable',
    );
    for (const holding of expired) holding.leaseExpired(whenUnreachable === 'keep');
    if (whenUnreachable === 'remove') await activation.revoke(expired);
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const ms = Math.max(0, Math.min(this.#untilNext(), LONGEST_WAIT_MS));
    await this.#parts.timer.wait(ms, signal);
  }

  /** Milliseconds until there is something to do. */
  #untilNext(): number {
    const { holdings, keeper, time, queue, activation, reports, contact } = this.#parts;
    const monotonic = this.#deps.clock.monotonic();
    const now = time.now();
    const retryAt = this.#hasStarted ? activation.retryAt : Infinity;
    const local = Math.min(holdings.nextExpiry() - now, retryAt - monotonic);
    if (monotonic < contact.retryAt) return Math.min(contact.retryAt - monotonic, local);
    const due = Math.min(holdings.nextAt(), keeper.dueAt) - now;
    const next = Math.min(queue.readyAt, reports.readyAt, this.#pollAt) - monotonic;
    return Math.min(due, local, next);
  }
}

function refusalText({ holding: { settings }, problem }: Refusal): string {
  const { code, requestId, detail, title } = problem;
  return `${settings.path}: ${detail ?? title} (${code}, request ${requestId})`;
}
