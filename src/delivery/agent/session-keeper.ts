import type { AgentSession, BrokerAccess } from './access/broker-access.ts';
import { ApiError } from '../../client/index.ts';
import { factsOf, failureKind } from './access/failure-kind.ts';
import type { BrokerTime } from './broker-time.ts';
import type { AgentLog } from './agent-log.ts';
import { twoThirds } from './renewal-time.ts';

/** How often the file is looked at while it still has the token that the session was last shown. */
const LOOK_AGAIN_MS = 10_000;
const SHORTEST_LOOK_MS = 1_000;

export interface SessionKeeperDeps {
  readonly access: BrokerAccess;
  /** The projected token as it is now: the kubelet writes a new one at four fifths of its life. */
  readonly readToken: () => Promise<string>;
  readonly time: BrokerTime;
  readonly random: () => number;
  readonly log: AgentLog;
}

/** One session after the other: logs in, renews at two thirds, logs in anew when the session is over. */
export class SessionKeeper {
  readonly #deps: SessionKeeperDeps;
  #session: AgentSession | undefined;
  /** The token that the session was last shown. */
  #shown = '';
  /** Nothing more is to be had from that token. */
  #isSpent = false;
  #dueAt = 0;
  /** The broker ended the last session before its time. */
  #wasTakenBack = false;

  constructor(deps: SessionKeeperDeps) {
    this.#deps = deps;
  }

  get session(): AgentSession | undefined {
    return this.#session;
  }

  /** Whether the last session was ended before its time, and none has followed it. */
  get wasTakenBack(): boolean {
    return this.#wasTakenBack && this.#session === undefined;
  }

  /** When there is something to do: by the broker's clock. */
  get dueAt(): number {
    return this.#session === undefined ? 0 : Math.min(this.#dueAt, this.#session.endsAt);
  }

  /**
   * The session, renewed where that is due. Another object than before: it is a new one, and nothing is held under it yet.
   * @throws as `BrokerAccess.logIn`
   */
  async current(signal: AbortSignal): Promise<AgentSession> {
    const { time, log } = this.#deps;
    if (this.#session !== undefined && time.now() >= this.#session.endsAt) {
      log.warn({}, 'the session has ended');
      this.#wasTakenBack = false;
      this.#session = undefined;
    }
    if (this.#session === undefined) return this.#logIn(signal);
    if (time.now() >= this.#dueAt && !(await this.#isRenewed(this.#session, signal))) {
      return this.#logIn(signal);
    }
    return this.#session;
  }

  /** The broker says that the session does not count any more. */
  lost(): void {
    if (this.#session === undefined) return;
    this.#wasTakenBack = this.#deps.time.now() < this.#session.endsAt;
    this.#session = undefined;
  }

  async end(signal: AbortSignal): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.end(signal);
  }

  async #logIn(signal: AbortSignal): Promise<AgentSession> {
    const token = await this.#deps.readToken();
    const session = await this.#deps.access.logIn(token, signal);
    this.#deps.log.debug({}, 'logged in');
    // Before anything is planned: where the clock of the pod is wrong, two thirds of what is left would be another time.
    this.#deps.time.learn(session.createdAt);
    this.#session = session;
    this.#wasTakenBack = false;
    this.#shown = token;
    this.#plan(session);
    return session;
  }

  /**
   * With a token that the session has seen, a renewal cannot go beyond that token's end: once it brought nothing, the file is looked at until
   * the kubelet has written another. @returns whether the session still stands
   */
  async #isRenewed(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    const token = await this.#deps.readToken();
    if (token === this.#shown && this.#isSpent) {
      this.#lookAgain(session);
      return true;
    }
    const before = session.endsAt;
    try {
      await session.renew(token, signal);
    } catch (error) {
      return this.#standsWithout(session, token, error);
    }
    const endsAt = new Date(session.endsAt).toISOString();
    this.#deps.log.debug({ endsAt }, 'renewed the session');
    this.#shown = token;
    this.#plan(session);
    this.#isSpent = session.endsAt <= before;
    if (this.#isSpent) this.#lookAgain(session);
    return true;
  }

  /** A token that is not accepted says nothing of the session, which goes on to its end. */
  #standsWithout(session: AgentSession, token: string, error: unknown): boolean {
    if (failureKind(error) !== 'unauthenticated') throw error;
    this.#deps.log.warn(factsOf(error), 'the session is not renewed');
    if (error instanceof ApiError && error.code === 'ERR_TOKEN_INVALID') {
      this.#shown = token;
      this.#isSpent = true;
      this.#lookAgain(session);
      return true;
    }
    this.lost();
    return false;
  }

  #plan({ endsAt }: AgentSession): void {
    this.#isSpent = false;
    this.#dueAt = twoThirds(this.#deps.time.now(), endsAt, this.#deps.random);
  }

  #lookAgain({ endsAt }: AgentSession): void {
    const now = this.#deps.time.now();
    const pause = Math.max(SHORTEST_LOOK_MS, Math.min(LOOK_AGAIN_MS, (endsAt - now) / 4));
    this.#dueAt = now + pause * (0.5 + this.#deps.random() / 2);
  }
}
