import type { BrokerClient } from './broker-client.ts';
import { bearer } from './credential.ts';
import type { Secret } from './contract-types.ts';
import { ApiError, UnreachableError } from './errors.ts';
import { followSecrets, type FollowOptions } from './follow-secrets.ts';
import type { components } from '../ports/openapi/api.ts';

type Opened = components['schemas']['OpenedSession'];

export interface LogIn {
  /** Name of the cluster, as registered at the broker. */
  readonly cluster: string;
  /** The pod's service-account token, projected for the broker's audience. Absent: the certificate of the client proves who it is. */
  readonly token?: string | undefined;
  /** Binds the session to a key that never leaves this process; the broker encrypts values to it: docs/sealed-delivery.md. */
  readonly sealed?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The session of a workload. It expires with the last token, or certificate, that the broker has received for it. */
export class WorkloadSession {
  readonly id: string;
  readonly workload: components['schemas']['Workload'];
  /** Time of the login by the broker's clock, in milliseconds since the epoch; it shows the broker's time. */
  readonly createdAt: number;
  /** A client with the credential of this session. */
  readonly client: BrokerClient;
  /** True if the client logged in with its certificate. Then renewals are by certificate too. */
  readonly isByCertificate: boolean;
  /** Position for the first `events`, which then starts with the events since the login. */
  readonly eventId: string;
  /** The broker's clock minus ours, in milliseconds. */
  readonly #offset: number;
  #endsAt: number;

  private constructor(client: BrokerClient, { session, eventId }: Opened, token?: string) {
    this.client = client;
    this.isByCertificate = token === undefined;
    this.id = session.id;
    this.workload = session.workload;
    this.createdAt = Date.parse(session.createdAt);
    this.eventId = eventId;
    this.#offset = this.createdAt - client.clock.now();
    this.#endsAt = Date.parse(session.endsAt);
  }

  /**
   * @throws as `BrokerClient.call`; ApiError ERR_TOKEN_INVALID for any problem of the token or certificate; UnreachableError if `sealed` is set and the
   * session is not bound to the key, because a proxy on the way removed the proof
   */
  static async logIn(client: BrokerClient, logIn: LogIn): Promise<WorkloadSession> {
    const { cluster, signal, sealed = false } = logIn;
    // A file may end with a newline, which no token has.
    const token = logIn.token?.trim();
    const input = { body: { cluster, ...(token !== undefined && { token }) }, signal };
    if (!sealed) {
      const { body } = await client.call('createSession', input);
      return new WorkloadSession(client.as(bearer(body.token)), body, token);
    }
    const { SealingKey } = await import('./sealing-key.ts');
    const key = await SealingKey.generate();
    const { body } = await client.as(key.introduced()).call('createSession', input);
    if (body.session.keyThumbprint !== key.thumbprint) {
      throw new UnreachableError('not_ours', 'the session is not bound to the key of this process');
    }
    return new WorkloadSession(client.as(key.bearing(body.token)), body, token);
  }

  /** Expiry by the broker's clock, in milliseconds since the epoch. */
  get endsAt(): number {
    return this.#endsAt;
  }

  /** The time by the broker's clock, in milliseconds since the epoch. */
  now(): number {
    return this.client.clock.now() + this.#offset;
  }

  /** The current version of a secret. @throws as `BrokerClient.call` */
  async read(path: string, signal?: AbortSignal): Promise<Secret> {
    return (await this.client.call('readSecret', { path: { path }, signal })).body;
  }

  /** The current versions of several secrets, in the order of their paths, by one request. @throws as `read`, also if the broker refuses only one of them */
  async readAll(paths: readonly string[], signal?: AbortSignal): Promise<readonly Secret[]> {
    const items = paths.map((path) => ({ path }));
    const { body } = await this.client.call('readSecrets', { body: { items }, signal });
    return body.items.map((item) => {
      if (!('error' in item)) return item;
      throw new ApiError({ id: 'readSecrets', path: `/api/v1/secrets/${item.path}` }, item.error);
    });
  }

  /**
   * Yields each secret, and again each new version, until the loop is left. A version is acknowledged when the loop asks for the next one, so use it
   * before. The broker's events, or the expiry of a lease, cause a new read; an unreachable broker is waited for.
   * @throws as `read` if the broker refuses, for example after the session has ended: log in and follow again; the reason of `signal`
   */
  follow(paths: readonly string[], options: FollowOptions = {}): AsyncGenerator<Secret> {
    return followSecrets(this, paths, options);
  }

  /** Extends the session to the expiry of a current token of the same pod; without one, of the current certificate. @throws as `BrokerClient.call` */
  async renew(token?: string, signal?: AbortSignal): Promise<void> {
    const body = token === undefined ? {} : { token: token.trim() };
    const { body: renewed } = await this.client.call('renewSession', { body, signal });
    this.#endsAt = Date.parse(renewed.session.endsAt);
  }

  /** Ends the leases and credentials of this session too. @throws as `BrokerClient.call` */
  async end(signal?: AbortSignal): Promise<void> {
    await this.client.call('endSession', { signal });
  }
}
