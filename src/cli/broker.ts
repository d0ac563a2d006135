import type { Answer, BrokerClient, CallId, OperationId, PagedId } from '../client/index.ts';

/** What verbs need of the client; a test's stands in for it. */
export type Broker = Pick<BrokerClient, 'call' | 'pages' | 'events'>;

/** An operation's input where a table, and not the type system, says which operation it is. */
export interface LooseInput {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** For verbs that are one code for several operations. */
export async function callLoosely(
  broker: Broker,
  id: CallId,
  input: LooseInput = {},
): Promise<Answer<OperationId> & { readonly body: unknown }> {
  const call = broker.call.bind(broker) as unknown as (
    id: CallId,
    input: LooseInput,
  ) => Promise<never>;
  return call(id, input);
}

/** A list, item by item, as {@link callLoosely}. */
export function pagesLoosely(broker: Broker, id: PagedId, input: LooseInput = {}): AsyncGenerator {
  const pages = broker.pages.bind(broker) as unknown as (
    id: PagedId,
    input: LooseInput,
  ) => AsyncGenerator;
  return pages(id, input);
}

/** The same broker, whose every call ends when `signal` does. */
export function ending(broker: Broker, signal: AbortSignal): Broker {
  return {
    call: ((id: CallId, input: LooseInput = {}) =>
      callLoosely(broker, id, { signal, ...input })) as unknown as Broker['call'],
    pages: ((id: PagedId, input: LooseInput = {}) =>
      pagesLoosely(broker, id, { signal, ...input })) as unknown as Broker['pages'],
    events: (options) => broker.events(options),
  };
}
