import { Backoff } from '../ports/backoff.ts';
import { randomFraction } from '../crypto/random/random.ts';
import type { BrokerClient } from './broker-client.ts';
import type { Secret } from './contract-types.ts';
import { ApiError, UnreachableError } from './errors.ts';

/** Part of a `WorkloadSession` that following needs. */
interface FollowedSession {
  readonly client: BrokerClient;
  readonly eventId: string;
  readonly endsAt: number;
  readonly isByCertificate: boolean;
  now(): number;
  read(path: string, signal: AbortSignal): Promise<Secret>;
  renew(token: string | undefined, signal: AbortSignal): Promise<void>;
}

export interface FollowOptions {
  /**
   * Reads the pod's current token. With it the session is renewed; without it the session expires with the token of the login. A session that was opened by
   * a certificate needs no token.
   */
  readonly token?: () => Promise<string>;
  readonly signal?: AbortSignal;
}

/**
 * First pause before a reconnect. When a broker stops, all its streams end at once; random pauses keep its clients from returning
 * together.
 */
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** The share of a lifetime after which a lease or a session is extended. */
const EXTEND_AFTER = 1 / 2;
const SHORTEST_WAIT_MS = 1_000;

/** Paths that must be read, each once, in the order in which they became due. */
class DuePaths {
  readonly #paths: Set<string>;
  #failure: { readonly error: unknown } | undefined;
  #wake = (): void => undefined;

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths);
  }

  add(...paths: readonly string[]): void {
    for (const path of paths) this.#paths.add(path);
    this.#wake();
  }

  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  async next(): Promise<string> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const [path] = this.#paths;
      if (path !== undefined) {
        this.#paths.delete(path);
        return path;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** One use of `WorkloadSession.follow`. */
class Following {
  readonly #session: FollowedSession;
  readonly #paths: readonly string[];
  readonly #due: DuePaths;
  readonly #stop = new AbortController();
  readonly #backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, randomFraction);
  /** Cancels the next extension of each path's lease. */
  readonly #timers = new Map<string, () => void>();
  readonly #work: Promise<void>[] = [];

  constructor(session: FollowedSession, paths: readonly string[]) {
    this.#session = session;
    this.#paths = paths;
    this.#due = new DuePaths(paths);
  }

  start(token: FollowOptions['token']): void {
    const fail = (error: unknown): void => this.fail(error);
    this.#work.push(this.#listen().catch(fail));
    if (token !== undefined || this.#session.isByCertificate) {
      this.#work.push(this.#keepRenewed(token).catch(fail));
    }
  }

  /** The next read or the read in progress fails with this error. */
  fail(error: unknown): void {
    this.#due.fail(error);
    this.#stop.abort(error);
  }

  async end(): Promise<void> {
    for (const cancel of this.#timers.values()) cancel();
    this.#stop.abort();
    await Promise.all(this.#work);
  }

  /** The secret at the next path that is due. It waits while the broker is unreachable. */
  async next(): Promise<Secret> {
    for (;;) {
      const path = await this.#due.next();
      try {
        const secret = await this.#session.read(path, this.#stop.signal);
        this.#backoff.reset();
        this.#readAgainBeforeExpiry(secret);
        return secret;
      } catch (error) {
        if (!mayPass(error)) throw error;
        await this.#pause(this.#backoff.next(retryAfterOf(error)));
        this.#due.add(path);
      }
    }
  }

  #readAgainBeforeExpiry({ path, lease }: Secret): void {
    this.#timers.get(path)?.();
    if (lease === undefined) return;
    const wait = this.#untilExtension(Date.parse(lease.endsAt));
    const cancel = this.#session.client.clock.after(wait, () => this.#due.add(path));
    this.#timers.set(path, cancel);
  }

  /** Makes paths due when the broker reports a change. The stream is resumed with the last id, so nothing is missed between two streams. */
  async #listen(): Promise<void> {
    const backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, randomFraction);
    let lastEventId = this.#session.eventId;
    while (!this.#stop.signal.aborted) {
      const error = await this.#listenOnce(lastEventId, (id) => {
        lastEventId = id;
        backoff.reset();
      });
      await this.#pause(backoff.next(retryAfterOf(error)));
    }
  }

  /** @returns why the stream ended, if it can be opened again; undefined after an orderly end */
  async #listenOnce(lastEventId: string, received: (id: string) => void): Promise<unknown> {
    const { signal } = this.#stop;
    try {
      const events = this.#session.client.events({ lastEventId, signal });
      for await (const { event, id, data } of events) {
        received(id);
        if (event === 'secret.changed')
          this.#due.add(...this.#paths.filter((each) => each === data.path));
        else if (event !== 'ready') this.#due.add(...this.#paths);
      }
    } catch (error) {
      if (!mayPass(error)) throw error;
      return error;
    }
    return undefined;
  }

  /** Renews the session until the end. The session's expiry limits how long the broker may be unreachable. */
  async #keepRenewed(token: FollowOptions['token']): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await this.#pause(this.#untilExtension(this.#session.endsAt));
      if (signal.aborted) return;
      try {
        await this.#session.renew(await token?.(), signal);
      } catch (error) {
        if (!mayPass(error)) throw error;
      }
    }
  }

  /** Milliseconds, for an end by the broker's clock. */
  #untilExtension(end: number): number {
    return Math.max(SHORTEST_WAIT_MS, (end - this.#session.now()) * EXTEND_AFTER);
  }

  /** Ends early when the following ends. */
  #pause(ms: number): Promise<void> {
    return this.#session.client.clock.sleep(ms, this.#stop.signal).catch(() => undefined);
  }
}

/** Follows secrets; see `WorkloadSession.follow`. */
export async function* followSecrets(
  session: FollowedSession,
  paths: readonly string[],
  { token, signal }: FollowOptions,
): AsyncGenerator<Secret> {
  signal?.throwIfAborted();
  const following = new Following(session, paths);
  const abort = (): void => following.fail(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  const versions = new Map<string, string>();
  following.start(token);
  try {
    for (;;) {
      const secret = await following.next();
      if (versions.get(secret.path) === secret.version) continue;
      versions.set(secret.path, secret.version);
      yield secret;
      await acknowledge(session, secret);
    }
  } finally {
    signal?.removeEventListener('abort', abort);
    await following.end();
  }
}

function retryAfterOf(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterSeconds : undefined;
}

function mayPass(error: unknown): boolean {
  if (error instanceof UnreachableError) return error.reason !== 'tls';
  return error instanceof ApiError && (error.status === 429 || error.status >= 500);
}

/** The broker can then revoke the version before at once. Otherwise it waits until that version's lease expires, so a failure is ignored. */
async function acknowledge(
  session: FollowedSession,
  { path, version, lease }: Secret,
): Promise<void> {
  if (lease === undefined) return;
  try {
    await session.client.call('acknowledge', { body: { items: [{ path, version }] } });
  } catch (error) {
    if (!(error instanceof ApiError) && !(error instanceof UnreachableError)) throw error;
  }
}
