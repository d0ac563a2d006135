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
  /** Something may have happened that nobody will tell: look at everything. */
  missed(): void;
  /** The session is over. */
  over(): void;
}

export interface FollowerDeps {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: AgentLog;
}

/** When a broker goes away, all its streams end at once: their holders come back spread over this, and over more while it stays away. */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** The push stream of one session since its login, opened again with the last id whenever it ends, until the session is over. */
export class EventFollower {
  readonly #deps: FollowerDeps;
  readonly #session: AgentSession;
  readonly #listener: EventListener;
  readonly #stop = new AbortController();
  #lastId: string;
  #isOpen = false;
  #hasBegun = false;

  constructor(session: AgentSession, listener: EventListener, deps: FollowerDeps) {
    this.#session = session;
    this.#lastId = session.eventId;
    this.#listener = listener;
    this.#deps = deps;
  }

  /** Whether what happens is told at this moment. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What was read before this is no reason to hurry: what changed since the login is told first. */
  begin(): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    void this.#follow();
  }

  close(): void {
    this.#isOpen = false;
    this.#hasBegun = true;
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
        log.info(factsOf(error), 'there is no event stream; polling meanwhile');
        if (failureKind(error) === 'unauthenticated') this.#over();
        retryAfter = retryAfterOf(error);
      } finally {
        this.#isOpen = false;
      }
      await clock.sleep(backoff.next(retryAfter), signal).catch(() => undefined);
      if (signal.aborted) return;
    }
  }

  /** @returns whether the session is over. */
  async #listen(signal: AbortSignal, backoff: Backoff): Promise<boolean> {
    const { clock } = this.#deps;
    const begun = clock.monotonic();
    for await (const event of this.#session.events(this.#lastId, signal)) {
      if (event.event === 'ready') this.#isOpen = true;
      else if (event.event === 'secret.changed') this.#listener.changed(event.data.path);
      else if (event.event === 'leases.changed') this.#listener.leasesChanged();
      else if (event.event === 'reset') this.#listener.missed();
      else {
        this.#over();
        return true;
      }
      this.#lastId = event.id;
      if (clock.monotonic() - begun > LONGEST_PAUSE_MS) backoff.reset();
    }
    return false;
  }

  #over(): void {
    this.close();
    this.#listener.over();
  }
}
