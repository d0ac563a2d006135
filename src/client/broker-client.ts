import { Connection, type ClientOptions } from './connection.ts';
import type { Answer, CallId, InputArguments, ItemOf, PagedId } from './contract-types.ts';
import { nobody, type Credential } from './credential.ts';
import { eventsOf, type BrokerEvent } from './follow-events.ts';
import { prepareRequest, type AnyInput } from './prepared-request.ts';

export interface EventOptions {
  /** The id of the last event that was seen: what happened since comes first. */
  readonly lastEventId?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Calls the operations of openapi.yaml at one broker, as one caller. */
export class BrokerClient {
  readonly #connection: Connection;
  readonly #credential: Credential;

  /** Nobody until `as`; connects with the first call. @throws TypeError for a URL that cannot be used */
  constructor(broker: ClientOptions | Connection, credential: Credential = nobody) {
    this.#connection = broker instanceof Connection ? broker : new Connection(broker);
    this.#credential = credential;
  }

  /** The same connections for another caller. */
  as(credential: Credential): BrokerClient {
    return new BrokerClient(this.#connection, credential);
  }

  /**
   * One operation. What is safe to repeat is repeated when the broker is away or says that it cannot now.
   * @throws ApiError for the broker's no, UnreachableError without an answer of it, InputError for a path that is none, the reason of `signal`
   */
  async call<Id extends CallId>(id: Id, ...input: InputArguments<Id>): Promise<Answer<Id>> {
    const given = (input[0] ?? {}) as AnyInput;
    const request = prepareRequest(id, given);
    const answer = await this.#connection.call(request, this.#credential, given.signal);
    return answer as Answer<Id>;
  }

  /** Every item of a list, a page at a time as they are asked for. @throws as `call` */
  async *pages<Id extends PagedId>(
    id: Id,
    ...input: InputArguments<Id>
  ): AsyncGenerator<ItemOf<Id>> {
    const given = (input[0] ?? {}) as AnyInput;
    for (let after = given.query?.['after']; ;) {
      const request = prepareRequest(id, { ...given, query: { ...given.query, after } });
      const { body } = await this.#connection.call(request, this.#credential, given.signal);
      const { items, next } = body as { items: readonly ItemOf<Id>[]; next?: string };
      yield* items;
      if (next === undefined) return;
      after = next;
    }
  }

  /**
   * What happens to the secrets that this session holds, as it happens, until the stream ends; leaving the loop ends it, too. The caller opens
   * the next one with the last id. One try. @throws ApiError, UnreachableError (reason `silent` after 45 seconds without a sign of life), the reason of `signal`
   */
  async *events({ lastEventId, signal }: EventOptions = {}): AsyncGenerator<BrokerEvent> {
    const headers = { accept: 'text/event-stream', 'last-event-id': lastEventId };
    const request = prepareRequest('followEvents', { headers });
    const response = await this.#connection.open(request, this.#credential, signal);
    yield* eventsOf(response, this.#connection.clock, signal);
  }

  /** Ends the connections, of every caller that shares them. */
  close(): void {
    this.#connection.close();
  }
}
