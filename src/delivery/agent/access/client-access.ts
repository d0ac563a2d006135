import { UnreachableError, WorkloadSession, type BrokerClient } from '../../../client/index.ts';
import type { Settings } from '../../settings/settings.ts';
import type {
  AgentSession,
  BatchAnswer,
  BatchItem,
  BrokerAccess,
  Report,
} from './broker-access.ts';

/** The broker through the client library. */
export class ClientAccess implements BrokerAccess {
  readonly #client: BrokerClient;
  readonly #cluster: string;
  readonly #sealed: boolean;
  readonly #isByCertificate: boolean;

  constructor(client: BrokerClient, settings: Pick<Settings, 'cluster' | 'broker' | 'login'>) {
    this.#client = client;
    this.#cluster = settings.cluster;
    this.#sealed = settings.broker.sealed;
    this.#isByCertificate = settings.login === 'certificate';
  }

  async logIn(identity: string, signal: AbortSignal): Promise<AgentSession> {
    const token = this.#isByCertificate ? undefined : identity;
    const who = { cluster: this.#cluster, sealed: this.#sealed, token, signal };
    const session = await WorkloadSession.logIn(this.#client, who);
    return new ClientSession(session);
  }
}

class ClientSession implements AgentSession {
  readonly #session: WorkloadSession;

  constructor(session: WorkloadSession) {
    this.#session = session;
  }

  get createdAt(): number {
    return this.#session.createdAt;
  }

  get endsAt(): number {
    return this.#session.endsAt;
  }

  get eventId(): string {
    return this.#session.eventId;
  }

  renew(identity: string, signal: AbortSignal): Promise<void> {
    return this.#session.renew(this.#session.isByCertificate ? undefined : identity, signal);
  }

  end(signal: AbortSignal): Promise<void> {
    return this.#session.end(signal);
  }

  async read(items: readonly BatchItem[], signal: AbortSignal): Promise<BatchAnswer> {
    const body = { items: [...items] };
    const answer = await this.#session.client.call('readSecrets', { body, signal });
    const read = answer.body.items;
    if (read.length !== items.length || read.some(({ path }, at) => path !== items[at]?.path)) {
      throw new UnreachableError('not_ours', 'the answer to a batch is not about its items');
    }
    const at = Date.parse(answer.headers['date'] ?? '');
    return { items: read, at: Number.isNaN(at) ? undefined : at };
  }

  async renewLease(id: string, signal: AbortSignal): Promise<number> {
    const request = { path: { id }, body: {}, signal };
    const { body } = await this.#session.client.call('renewLease', request);
    return Date.parse(body.endsAt);
  }

  async releaseLease(id: string, signal: AbortSignal): Promise<void> {
    await this.#session.client.call('releaseLease', { path: { id }, signal });
  }

  async acknowledge(reports: readonly Report[], signal: AbortSignal) {
    const request = { body: { items: [...reports] }, signal };
    return (await this.#session.client.call('acknowledge', request)).body.items;
  }

  events(lastEventId: string | undefined, signal: AbortSignal) {
    return this.#session.client.events({ lastEventId, signal });
  }
}
