import { LRUCache } from 'lru-cache';
import { ApiError, WorkloadSession, type BrokerClient } from '../../client/index.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { Clock } from '../../ports/clock.ts';

/** Limit of sessions: twice the pods of one node, because tokens rotate. */
const MOST_SESSIONS = 1_000;
/** A session that ends sooner is not used any more. */
const TOO_SHORT_MS = 5_000;

interface Opening {
  readonly session: Promise<WorkloadSession>;
  /** Time of the login, in monotonic milliseconds. */
  readonly at: number;
}

/**
 * Sessions by the token that opened them, never by the driver's facts about the pod, because a SecretProviderClass can set those too. A session lasts as
 * long as its token: the driver polls a volume every few minutes, and its leases continue in the same session. Sessions are not ended here: a pod
 * holds its files for as long as it lives, and the broker ends everything when the pod ends.
 */
export class PodSessions {
  readonly #client: BrokerClient;
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #sessions = new LRUCache<string, Opening>({ max: MOST_SESSIONS });

  constructor(client: BrokerClient, cluster: string, clock: Clock) {
    this.#client = client;
    this.#cluster = cluster;
    this.#clock = clock;
  }

  /** Finds or opens the session of a token. @throws as `WorkloadSession.logIn` */
  async of(token: Sensitive<string>, signal: AbortSignal): Promise<WorkloadSession> {
    const name = sha256Hex(token.reveal());
    for (;;) {
      const opening = this.#sessions.get(name);
      if (opening === undefined) return this.#logIn(name, token, signal);
      const known = await opening.session.catch(ofCaller);
      if (known !== undefined && this.#leftOf(known, opening) > TOO_SHORT_MS) return known;
      this.#drop(name, opening);
    }
  }

  /** The broker does not accept the session any more. A session that was opened meanwhile stays. */
  async forget(token: Sensitive<string>, session: WorkloadSession): Promise<void> {
    const name = sha256Hex(token.reveal());
    const opening = this.#sessions.get(name);
    if (opening !== undefined && (await opening.session.catch(() => undefined)) === session) {
      this.#drop(name, opening);
    }
  }

  /**
   * Computes the time that a session has left, by the monotonic clock, because the node's wall clock may be wrong. The monotonic
   * clock stops while a machine sleeps; the broker then refuses the session.
   */
  #leftOf({ createdAt, endsAt }: WorkloadSession, { at }: Opening): number {
    return endsAt - createdAt - (this.#clock.monotonic() - at);
  }

  #drop(name: string, opening: Opening): void {
    if (this.#sessions.get(name) === opening) this.#sessions.delete(name);
  }

  async #logIn(
    name: string,
    token: Sensitive<string>,
    signal: AbortSignal,
  ): Promise<WorkloadSession> {
    const login = { cluster: this.#cluster, token: token.reveal(), signal };
    const session = WorkloadSession.logIn(this.#client, login);
    const opening = { session, at: this.#clock.monotonic() };
    this.#sessions.set(name, opening);
    try {
      return await session;
    } catch (error) {
      this.#drop(name, opening);
      throw error;
    }
  }
}

/** A refusal of the token applies to all callers that present it; a login that another caller cancelled is repeated. */
function ofCaller(error: unknown): undefined {
  if (error instanceof ApiError) throw error;
}
