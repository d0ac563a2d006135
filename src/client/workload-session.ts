import type { BrokerClient } from './broker-client.ts';
import { bearer } from './credential.ts';
import { UnreachableError } from './errors.ts';
import type { components } from './generated/api.ts';

type Opened = components['schemas']['OpenedSession'];

export interface LogIn {
  /** As the broker has it registered. */
  readonly cluster: string;
  /** The pod's service-account token, projected for the broker's audience. */
  readonly token: string;
  /** The session is bound to a key that never leaves this process, and values come sealed to it: docs/sealed-delivery.md. */
  readonly sealed?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** A workload that is logged in. Its session ends with the token it was last shown. */
export class WorkloadSession {
  readonly id: string;
  readonly workload: components['schemas']['Workload'];
  /** When it was opened, by the broker's clock, in milliseconds since the epoch: what time that has. */
  readonly createdAt: number;
  /** Calls as this session. */
  readonly client: BrokerClient;
  /** For the first `events`: what happened since the login comes first. */
  readonly eventId: string;
  #endsAt: number;

  private constructor(client: BrokerClient, { session, eventId }: Opened) {
    this.client = client;
    this.id = session.id;
    this.workload = session.workload;
    this.createdAt = Date.parse(session.createdAt);
    this.eventId = eventId;
    this.#endsAt = Date.parse(session.endsAt);
  }

  /**
   * @throws as `BrokerClient.call`; ApiError ERR_TOKEN_INVALID whatever is wrong with the token; UnreachableError where `sealed` is asked
   * for and the session is not bound to the key, because somebody on the way took the proof out
   */
  static async logIn(client: BrokerClient, logIn: LogIn): Promise<WorkloadSession> {
    const { cluster, token, signal, sealed = false } = logIn;
    const input = { body: { cluster, token }, signal };
    if (!sealed) {
      const { body } = await client.call('createSession', input);
      return new WorkloadSession(client.as(bearer(body.token)), body);
    }
    const { SealingKey } = await import('./sealing-key.ts');
    const key = await SealingKey.generate();
    const { body } = await client.as(key.introduced()).call('createSession', input);
    if (body.session.keyThumbprint !== key.thumbprint) {
      throw new UnreachableError('not_ours', 'the session is not bound to the key of this process');
    }
    return new WorkloadSession(client.as(key.bearing(body.token)), body);
  }

  /** By the broker's clock, in milliseconds since the epoch. */
  get endsAt(): number {
    return this.#endsAt;
  }

  /** Moves the end to that of a current token of the same pod. @throws as `BrokerClient.call` */
  async renew(token: string, signal?: AbortSignal): Promise<void> {
    const { body } = await this.client.call('renewSession', { body: { token }, signal });
    this.#endsAt = Date.parse(body.session.endsAt);
  }

  /** Ends the leases and credentials of this session too. @throws as `BrokerClient.call` */
  async end(signal?: AbortSignal): Promise<void> {
    await this.client.call('endSession', { signal });
  }
}
