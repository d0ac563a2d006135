import type { AgentSession } from './access/broker-access.ts';
import { factsOf, failureKind, retryAfterOf } from './access/failure-kind.ts';
import { Backoff } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import type { AgentLog } from './agent-log.ts';

export interface EventListener {
  /** The secret at a path has changed. */
  changed(path: string): void;
  /** A lease of this session has ended. */
  leasesChanged(): void;
  /** Events may have been missed: everything must be checked. */
  missed(): void;
  sessionEnded(): void;
}

export interface FollowerDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

/**
 * Time over which clients reconnect, and over more while the broker is unreachable. When a broker stops, all its streams end at
 * once.
 */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;

/** The event stream of one session since its login, reopened with the last id whenever it breaks, until the session ends. */
export class EventFollower {
  readonly #deps: FollowerDeps;
  readonly #session: AgentSession;
  readonly #listener: EventListener;
  readonly #stop = new AbortController();
  #lastId: string;
  #isOpen = false;
  #hasStarted = false;

  constructor(session: AgentSession, listener: EventListener, deps: FollowerDeps) {
    this.#session = session;
    this.#lastId = session.eventId;
    this.#listener = listener;
    this.#deps = deps;
  }

  /** True while events arrive. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Idempotent. The stream begins with the changes since the login, so nothing is missed before the start. */
  start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    void this.#follow();
  }

  close(): void {
    this.#isOpen = false;
    this.#hasStarted = true;
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { clock, random, log } = this.#deps;
    const { signal } = this.#stop;
    const backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, random);
    for (;;) {
      let retryAfter: number | undefined;
      try {
        if (await this.#listen(signal, backoff)) return;
        log.debug({}, 'the event stream ended');
      } catch (error) {
        if (signal.aborted) return;
        log.info(factsOf(error), 'no event stream; polling instead');
        if (failureKind(error) === 'unauthenticated') this.#sessionEnded();
        retryAfter = retryAfterOf(error);
      } finally {
        this.#isOpen = false;
      }
      await clock.sleep(backoff.next(retryAfter), signal).catch(() => undefined);
      if (signal.aborted) return;
    }
  }

  /** @returns whether the session has ended. */
  async #listen(signal: AbortSignal, backoff: Backoff): Promise<boolean> {
    const { clock } = this.#deps;
    const begun = clock.monotonic();
    for await (const event of this.#session.events(this.#lastId, signal)) {
      if (event.event === 'ready') this.#isOpen = true;
      else if (event.event === 'secret.changed') this.#listener.changed(event.data.path);
      else if (event.event === 'leases.changed') this.#listener.leasesChanged();
      else if (event.event === 'reset') this.#listener.missed();
      else {
        this.#sessionEnded();
        return true;
      }
      this.#lastId = event.id;
      if (clock.monotonic() - begun > LONGEST_PAUSE_MS) backoff.reset();
    }
    return false;
  }

  #sessionEnded(): void {
    this.close();
    this.#listener.sessionEnded();
  }
}
