import type { Clock } from '../ports/clock.ts';
import { Connection, type ClientOptions } from './connection.ts';
import type { Answer, CallId, InputArguments, ItemOf, PagedId } from './contract-types.ts';
import { anonymous, type Credential } from './credential.ts';
import {
  brokerEvents,
  changeEvents,
  readEvents,
  type BrokerEvent,
  type ChangeEvent,
} from './follow-events.ts';
import { prepareRequest, type AnyInput } from './prepared-request.ts';

export interface EventOptions {
  /** Id of the last event that was received; the stream starts with the events after it. */
  readonly lastEventId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Calls the operations of openapi.yaml at one broker, with one credential. */
export class BrokerClient {
  readonly #connection: Connection;
  readonly #credential: Credential;

  /** Creates a client without a credential until `as`; it connects at the first call. @throws TypeError for an invalid URL */
  constructor(broker: ClientOptions | Connection, credential: Credential = anonymous) {
    this.#connection = broker instanceof Connection ? broker : new Connection(broker);
    this.#credential = credential;
  }

  get clock(): Clock {
    return this.#connection.clock;
  }

  /** A client with another credential, over the same connections. */
  as(credential: Credential): BrokerClient {
    return new BrokerClient(this.#connection, credential);
  }

  /**
   * Calls one operation. It retries a request that is safe to repeat if the broker is unreachable or unavailable.
   * @throws ApiError if the broker refuses, UnreachableError without an answer, InputError for an invalid path, the reason of
   * `signal`
   */
  async call<Id extends CallId>(id: Id, ...input: InputArguments<Id>): Promise<Answer<Id>> {
    const given = (input[0] ?? {}) as AnyInput;
    const request = prepareRequest(id, given);
    const answer = await this.#connection.call(request, this.#credential, given);
    return answer as Answer<Id>;
  }

  /** The items of a list. It requests the next page when the caller needs it. @throws as `call` */
  async *pages<Id extends PagedId>(
    id: Id,
    ...input: InputArguments<Id>
  ): AsyncGenerator<ItemOf<Id>> {
    const given = (input[0] ?? {}) as AnyInput;
    for (let after = given.query?.['after']; ;) {
      const request = prepareRequest(id, { ...given, query: { ...given.query, after } });
      const { body } = await this.#connection.call(request, this.#credential, given);
      const { items, next } = body as { items: readonly ItemOf<Id>[]; next?: string };
      yield* items;
      if (next === undefined) return;
      after = next;
    }
  }

  /**
   * Events about the secrets that this session holds, until the stream ends or the caller leaves the loop. The caller resumes with the id of the
   * last event. It does not retry. @throws ApiError, UnreachableError (reason `silent` after 45 seconds without data), the reason of `signal`
   */
  async *events({ lastEventId, signal }: EventOptions = {}): AsyncGenerator<BrokerEvent> {
    const headers = { accept: 'text/event-stream', 'last-event-id': lastEventId };
    const request = prepareRequest('followEvents', { headers });
    const response = await this.#connection.open(request, this.#credential, signal);
    yield* readEvents(response, this.#connection.clock, signal, brokerEvents);
  }

  /** Announced changes of the things that this operator may see, until the stream ends or the caller leaves the loop. Errors are those of `events`. */
  async *changes({ signal }: Pick<EventOptions, 'signal'> = {}): AsyncGenerator<ChangeEvent> {
    const request = prepareRequest('followChanges', { headers: { accept: 'text/event-stream' } });
    const response = await this.#connection.open(request, this.#credential, signal);
    yield* readEvents(response, this.#connection.clock, signal, changeEvents);
  }

  /** Closes the connections, for all clients that share them. */
  close(): void {
    this.#connection.close();
  }
}
