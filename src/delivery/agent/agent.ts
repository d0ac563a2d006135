import { ApiError } from '../../client/index.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { AgentSession } from './access/broker-access.ts';
import { factsOf, failureKind, retryAfterOf } from './access/failure-kind.ts';
import { agentParts, type AgentDeps, type AgentParts } from './agent-parts.ts';
import { Backoff } from '../../ports/backoff.ts';
import type { Settings } from '../settings/settings.ts';
import { EventFollower, type EventListener } from './event-follower.ts';
import { AgentFailure, Denied, OutOfTime } from '../failures.ts';
import type { HeldSecret } from '../files/held-secret.ts';
import type { Holding } from './holdings/holding.ts';
import type { Refusal } from './holdings/holdings.ts';
import { UnreadableToken } from './read-token.ts';
import { NotRefreshed, Refreshes } from './refreshes.ts';

export interface AgentState {
  readonly ready: boolean;
  /** Words. */
  readonly reasons: readonly string[];
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
/** Nothing is waited for longer: timers stand still while a machine sleeps, and on waking the wall clock is looked at. */
const LONGEST_NAP_MS = 30_000;
/** How often everything is read where the event stream cannot be had. */
const POLL_MS = 60_000;
const END_WITHIN_MS = 5_000;

/** One workload's secrets, from the login to the end. Many agents can live in one process. */
export class Agent {
  readonly #settings: Settings;
  readonly #deps: AgentDeps;
  readonly #parts: AgentParts;
  readonly #backoff: Backoff;
  readonly #refreshes: Refreshes;
  #follower: EventFollower | undefined;
  #hasStarted = false;
  #isAway = false;
  /** Monotonic milliseconds: the broker is left alone until then. */
  #notBefore = 0;
  #pollAt = Infinity;

  constructor(settings: Settings, deps: AgentDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#parts = agentParts(settings, deps);
    this.#refreshes = new Refreshes(deps.clock);
    this.#backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, deps.random);
  }

  /** Whether the application may rely on what it was given, and what is not as it should be. */
  state(): AgentState {
    const { holdings, handover } = this.#parts;
    const isMissing = holdings.missing().length > 0;
    const hasEnded = holdings.all.some(({ value }) => value?.stale === true);
    const reasons = [
      ...(this.#hasStarted ? [] : ['starting']),
      ...(this.#hasStarted && isMissing ? ['secret_missing'] : []),
      ...(this.#isAway ? ['broker_unreachable'] : []),
      ...(this.#follower?.isOpen === false ? ['no_event_stream'] : []),
      ...(hasEnded ? ['stale'] : []),
      ...(handover.isFailing ? ['delivery_failed'] : []),
    ];
    return { ready: this.#hasStarted && !isMissing, reasons };
  }

  /** By name or path. */
  find(id: string): HeldSecret | undefined {
    return this.#parts.holdings.find(id)?.value;
  }

  values(): ReadonlyMap<string, HeldSecret> {
    return this.#parts.holdings.values();
  }

  /** Reads it again first, where that was not done within the last second. @throws NotRefreshed */
  async refresh(id: string): Promise<HeldSecret | undefined> {
    const { holdings, work, nap } = this.#parts;
    const holding = holdings.find(id);
    if (holding === undefined || this.#refreshes.isFresh(holding)) return holding?.value;
    if (!this.#hasStarted || this.#isAway) throw new NotRefreshed();
    const read = this.#refreshes.next(holding);
    work.addNow([holding]);
    nap.wake();
    await read;
    return holding.value;
  }

  /** Until the application has heard of what was delivered, or could not be told. */
  async told(): Promise<void> {
    await this.#parts.application.idle();
  }

  /**
   * Until all that it cannot do without is delivered.
   * @throws Denied, DeliveryError, UnreadableToken; the reason of `signal`
   */
  async start(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#turn(signal);
      if (this.#hasStarted) return;
      signal.throwIfAborted();
      await this.#pause(signal);
    }
  }

  /** Keeps what was delivered as it should be, until `signal`. @throws OutOfTime where a lease has ended and the configuration says `fail` */
  async run(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#pause(signal);
      if (signal.aborted) return;
      await this.#turn(signal);
    }
  }

  /**
   * Lets what tells the application come to its end, which may need what it was given; then ends the session where the configuration says so, and
   * with it leases and credentials.
   */
  async stop(): Promise<void> {
    this.#follower?.close();
    this.#refreshes.fail();
    await this.#parts.application.end();
    if (!this.#deps.isResident || !this.#settings.endSessionOnExit) return;
    try {
      const { keeper } = this.#parts;
      await withDeadline(this.#deps.clock, END_WITHIN_MS, (signal) => keeper.end(signal));
    } catch (error) {
      this.#deps.log.info(factsOf(error), 'the session could not be ended; it runs out');
    }
  }

  async #turn(signal: AbortSignal): Promise<void> {
    // Writing and removing what is here needs no broker.
    if (this.#hasStarted) await this.#parts.handover.retry();
    if (this.#deps.clock.monotonic() >= this.#notBefore) {
      try {
        await this.#round(signal);
        this.#reached();
      } catch (error) {
        this.#refreshes.fail();
        if (signal.aborted) return;
        await this.#failed(error);
      }
    }
    await this.#endOutlived();
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { reading, holdings, time, work, outbox } = this.#parts;
    const session = await this.#session(signal);
    if (this.#deps.clock.monotonic() >= this.#pollAt) this.#poll();
    const over = await reading.renew(session, signal);
    const list = [...new Set([...work.take(), ...holdings.due(time.now()), ...over])];
    if (list.length > 0) await this.#read(session, list, signal);
    this.#follower?.begin();
    if (!this.#hasStarted) return;
    if (await outbox.send(session, signal)) work.add(holdings.all);
  }

  async #session(signal: AbortSignal): Promise<AgentSession> {
    const { keeper, holdings } = this.#parts;
    const before = keeper.session;
    const endedAt = before?.endsAt ?? 0;
    const session = await keeper.current(signal);
    if (session !== before) this.#begin(session);
    else if (session.endsAt > endedAt) for (const each of holdings.all) each.sessionMoved(endedAt);
    return session;
  }

  #begin(session: AgentSession): void {
    const { holdings, outbox, expected, work } = this.#parts;
    this.#follower?.close();
    for (const holding of holdings.all) holding.newSession();
    outbox.newSession();
    expected.forget();
    work.addNow(holdings.all);
    if (!this.#deps.isResident) return;
    this.#follower = new EventFollower(session, this.#listener(), this.#deps);
    this.#pollAt = this.#deps.clock.monotonic() + POLL_MS;
  }

  #listener(): EventListener {
    const { work, holdings, expected, keeper, nap } = this.#parts;
    const again = (list: readonly Holding[]): void => {
      work.add(list);
      nap.wake();
    };
    return {
      changed: (path) => again(holdings.at(path)),
      leasesChanged: () => {
        if (!expected.isOwn()) again(holdings.all);
      },
      missed: () => {
        expected.forget();
        again(holdings.all);
      },
      over: () => {
        this.#deps.log.info({}, 'the session was ended');
        keeper.lost();
        nap.wake();
      },
    };
  }

  #poll(): void {
    const { clock, random } = this.#deps;
    if (this.#follower?.isOpen === false) this.#parts.work.addNow(this.#parts.holdings.all);
    this.#pollAt = clock.monotonic() + POLL_MS * (0.8 + random() * 0.4);
  }

  async #read(session: AgentSession, list: readonly Holding[], signal: AbortSignal): Promise<void> {
    const { reading, work, handover } = this.#parts;
    const end = this.#refreshes.begin(list);
    try {
      const { values, lost, refusals } = await reading.read(session, list, signal);
      if (!this.#hasStarted) await this.#startWith(refusals);
      else {
        if (lost.length > 0) await handover.lost(lost);
        if (values.length > 0) await handover.changed(values);
      }
      end(refusals);
    } catch (error) {
      end();
      work.addNow(list);
      throw error;
    }
  }

  async #startWith(refusals: readonly Refusal[]): Promise<void> {
    const { holdings, handover } = this.#parts;
    const final = refusals.filter(
      ({ holding, kind }) => kind !== 'away' && !holding.settings.optional,
    );
    if (final.length > 0) throw new Denied(final.map(refusalText).join('; '));
    if (holdings.missing().length > 0) return;
    await handover.begin();
    this.#hasStarted = true;
    this.#deps.log.info({ names: [...holdings.values().keys()] }, 'delivered');
  }

  #reached(): void {
    this.#backoff.reset();
    if (this.#isAway) this.#deps.log.info({}, 'the broker answers again');
    this.#isAway = false;
  }

  /** @throws what ends the agent */
  async #failed(error: unknown): Promise<void> {
    const { clock, log } = this.#deps;
    if (error instanceof AgentFailure) {
      if (!this.#hasStarted || !(error instanceof UnreadableToken)) throw error;
      log.error({ error: error.message }, 'there is no token to log in with');
    } else await this.#notServed(error);
    this.#isAway = true;
    this.#notBefore = clock.monotonic() + this.#backoff.next(retryAfterOf(error));
  }

  /** @throws Denied at the start */
  async #notServed(error: unknown): Promise<void> {
    const { log } = this.#deps;
    const { keeper } = this.#parts;
    const kind = failureKind(error);
    const isLogin = error instanceof ApiError && error.operation === 'createSession';
    if (kind === 'unauthenticated' && !isLogin) keeper.lost();
    else if (kind !== 'away' && !this.#hasStarted) throw new Denied((error as Error).message);
    if (!this.#isAway) log.warn(factsOf(error), 'the broker does not serve this agent now');
    else log.debug(factsOf(error), 'the broker still does not serve this agent');
    if (isLogin && kind !== 'away' && keeper.wasTakenBack) await this.#loseAll();
  }

  /** The session was ended before its time and there is no other: what was held under it is not to be held any more. */
  async #loseAll(): Promise<void> {
    const held = this.#parts.holdings.all.filter(({ value }) => value !== undefined);
    if (held.length === 0) return;
    this.#deps.log.warn({ names: held.map(({ name }) => name) }, 'access was taken away');
    for (const holding of held) holding.drop();
    await this.#parts.handover.lost(held);
  }

  /**
   * Leases that ended while nobody could be asked for more. Before the first delivery there is nothing to keep, to remove or to end: what lies
   * there is of an agent before this one, under leases of its own. @throws OutOfTime
   */
  async #endOutlived(): Promise<void> {
    const { holdings, time, handover } = this.#parts;
    const ended = holdings.ended(time.now());
    if (ended.length === 0) return;
    const names = ended.map(({ name }) => name);
    const { whenUnreachable } = this.#settings;
    if (!this.#hasStarted) {
      for (const holding of ended) holding.outlived(false);
      return;
    }
    if (whenUnreachable === 'fail') {
      throw new OutOfTime(`leases have ended without the broker: ${names.join(', ')}`);
    }
    this.#deps.log.warn({ names, then: whenUnreachable }, 'leases have ended without the broker');
    for (const holding of ended) holding.outlived(whenUnreachable === 'keep');
    if (whenUnreachable === 'remove') await handover.lost(ended);
  }

  async #pause(signal: AbortSignal): Promise<void> {
    await this.#parts.nap.take(Math.max(0, Math.min(this.#untilNext(), LONGEST_NAP_MS)), signal);
  }

  /** Milliseconds. */
  #untilNext(): number {
    const { holdings, keeper, time, work, handover, outbox } = this.#parts;
    const monotonic = this.#deps.clock.monotonic();
    const now = time.now();
    const retryAt = this.#hasStarted ? handover.retryAt : Infinity;
    const end = Math.min(holdings.nextEnd() - now, retryAt - monotonic);
    if (monotonic < this.#notBefore) return Math.min(this.#notBefore - monotonic, end);
    const due = Math.min(holdings.nextAt(), keeper.dueAt) - now;
    const { readyAt } = outbox;
    const next = Math.min(work.readyAt, readyAt, this.#pollAt) - monotonic;
    return Math.min(due, end, next);
  }
}

function refusalText({ holding: { settings }, problem }: Refusal): string {
  const { code, requestId, detail, title } = problem;
  return `${settings.path}: ${detail ?? title} (${code}, request ${requestId})`;
}
