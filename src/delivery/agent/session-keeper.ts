import type { AgentSession, BrokerAccess } from './access/broker-access.ts';
import { ApiError } from '../../client/index.ts';
import { factsOf, failureKind } from './access/failure-kind.ts';
import { renewalTime, type BrokerTime } from './broker-time.ts';
import type { AgentLog } from './agent-log.ts';

/** Interval at which the file is polled while it still has the token or certificate that was presented last. */
const POLL_MS = 10_000;
const SHORTEST_POLL_MS = 1_000;

export interface SessionKeeperDeps {
  readonly access: BrokerAccess;
  /** The current projected token, which the kubelet replaces at four fifths of its life, or the current client certificate. */
  readonly readIdentity: () => Promise<string>;
  readonly time: BrokerTime;
  readonly random: () => number;
  readonly log: AgentLog;
}

/** Keeps one session: logs in, renews at two thirds of its life, and logs in again when it has ended. */
export class SessionKeeper {
  readonly #deps: SessionKeeperDeps;
  #session: AgentSession | undefined;
  /** The token or certificate that was presented last. */
  #presented = '';
  /** The session cannot be extended further with it. */
  #isExhausted = false;
  #dueAt = 0;
  /** The broker ended the last session early. */
  #wasRevoked = false;

  constructor(deps: SessionKeeperDeps) {
    this.#deps = deps;
  }

  get session(): AgentSession | undefined {
    return this.#session;
  }

  /** True if the last session was ended early and there is no new one. */
  get wasRevoked(): boolean {
    return this.#wasRevoked && this.#session === undefined;
  }

  /** Time at which the session must be renewed, by the broker's clock. */
  get dueAt(): number {
    return this.#session === undefined ? 0 : Math.min(this.#dueAt, this.#session.endsAt);
  }

  /**
   * Returns the session, renewed if that is due. A new object is a new session, without leases.
   * @throws as `BrokerAccess.logIn`
   */
  async current(signal: AbortSignal): Promise<AgentSession> {
    const { time, log } = this.#deps;
    if (this.#session !== undefined && time.now() >= this.#session.endsAt) {
      log.warn({}, 'the session has ended');
      this.#wasRevoked = false;
      this.#session = undefined;
    }
    if (this.#session === undefined) return this.#logIn(signal);
    if (time.now() >= this.#dueAt && !(await this.#isRenewed(this.#session, signal))) {
      return this.#logIn(signal);
    }
    return this.#session;
  }

  /** The broker does not accept the session any more. */
  invalidate(): void {
    if (this.#session === undefined) return;
    this.#wasRevoked = this.#deps.time.now() < this.#session.endsAt;
    this.#session = undefined;
  }

  async end(signal: AbortSignal): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.end(signal);
  }

  async #logIn(signal: AbortSignal): Promise<AgentSession> {
    const identity = await this.#deps.readIdentity();
    const session = await this.#deps.access.logIn(identity, signal);
    this.#deps.log.debug({}, 'logged in');
    // The time is learned before the renewal is planned: with a wrong clock of the pod, two thirds of the rest would be another time.
    this.#deps.time.learn(session.createdAt);
    this.#session = session;
    this.#wasRevoked = false;
    this.#presented = identity;
    this.#plan(session);
    return session;
  }

  /**
   * A renewal with a token or certificate that was presented before cannot extend the session beyond its end. Once it did not extend it, the file is
   * polled until it has another one. @returns whether the session is still valid
   */
  async #isRenewed(session: AgentSession, signal: AbortSignal): Promise<boolean> {
    const identity = await this.#deps.readIdentity();
    if (identity === this.#presented && this.#isExhausted) {
      this.#pollFile(session);
      return true;
    }
    const before = session.endsAt;
    try {
      await session.renew(identity, signal);
    } catch (error) {
      return this.#isValidWithout(session, identity, error);
    }
    const endsAt = new Date(session.endsAt).toISOString();
    this.#deps.log.debug({ endsAt }, 'renewed the session');
    this.#presented = identity;
    this.#plan(session);
    this.#isExhausted = session.endsAt <= before;
    if (this.#isExhausted) this.#pollFile(session);
    return true;
  }

  /** A token or certificate that is not accepted does not end the session. */
  #isValidWithout(session: AgentSession, identity: string, error: unknown): boolean {
    if (failureKind(error) !== 'unauthenticated') throw error;
    this.#deps.log.warn(factsOf(error), 'the session could not be renewed');
    if (error instanceof ApiError && error.code === 'ERR_TOKEN_INVALID') {
      this.#presented = identity;
      this.#isExhausted = true;
      this.#pollFile(session);
      return true;
    }
    this.invalidate();
    return false;
  }

  #plan({ endsAt }: AgentSession): void {
    this.#isExhausted = false;
    this.#dueAt = renewalTime(this.#deps.time.now(), endsAt, this.#deps.random);
  }

  #pollFile({ endsAt }: AgentSession): void {
    const now = this.#deps.time.now();
    const pause = Math.max(SHORTEST_POLL_MS, Math.min(POLL_MS, (endsAt - now) / 4));
    this.#dueAt = now + pause * (0.5 + this.#deps.random() / 2);
  }
}
