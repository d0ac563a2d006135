import type {
  Answer,
  BrokerClient,
  CallId,
  InputArguments,
  ItemOf,
  PagedId,
} from '../../client/index.ts';

/** The part of the client that verbs use; tests replace it. */
export type Broker = Pick<BrokerClient, 'call' | 'pages' | 'events' | 'changes'>;

/** Input that is built from arguments and options at run time, so that only its parts have types. The broker checks it. */
export interface LooseInput {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly tries?: number;
}

/** Calls an operation with an input that is built at run time. The answer keeps its type. */
export function callWith<Id extends CallId>(
  broker: Broker,
  id: Id,
  input: LooseInput = {},
): Promise<Answer<Id>> {
  return broker.call(id, ...([input] as unknown as InputArguments<Id>));
}

/** The items of a list page by page, as {@link callWith}. */
function pagesWith<Id extends PagedId>(
  broker: Broker,
  id: Id,
  input: LooseInput = {},
): AsyncGenerator<ItemOf<Id>> {
  return broker.pages(id, ...([input] as unknown as InputArguments<Id>));
}

/** All items of a list. */
export async function allPages<Id extends PagedId>(
  broker: Broker,
  id: Id,
  input: LooseInput = {},
): Promise<readonly ItemOf<Id>[]> {
  const items: ItemOf<Id>[] = [];
  for await (const item of pagesWith(broker, id, input)) items.push(item);
  return items;
}

/** Wraps the broker so that every call is aborted when `signal` is. */
export function abortedBy(broker: Broker, signal: AbortSignal): Broker {
  return withInput(broker, { signal });
}

/** Wraps the broker so that no call is retried. */
export function askedOnce(broker: Broker): Broker {
  return withInput(broker, { tries: 1 });
}

function withInput(broker: Broker, more: LooseInput): Broker {
  return {
    call: ((id: CallId, input: LooseInput = {}) =>
      callWith(broker, id, { ...more, ...input })) as unknown as Broker['call'],
    pages: ((id: PagedId, input: LooseInput = {}) =>
      pagesWith(broker, id, { ...more, ...input })) as unknown as Broker['pages'],
    events: (options) => broker.events(options),
    changes: (options) => broker.changes(options),
  };
}
