/** Neighbouring entries of the log, without newlines. */
export interface Delivery {
  /** Place of the first of them in the log: where a delivery does not begin where the one before ended, some are missing or come again. */
  readonly first: number;
  readonly entries: readonly string[];
}

/** Receives the log's entries in order, at least once each. */
export interface Sink {
  /** Names the sink's cursor in the store. */
  readonly name: string;
  /** When it resolves they are as durable as the sink can make them. Rejects to be given the same again later. */
  deliver(delivery: Delivery): Promise<void>;
  /** Closes the file and opens its path again: after a log rotation. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** A line that says which places the entries after it have, then a line an entry. */
export function deliveryLines({ first, entries }: Delivery): string {
  const head = `{"delivery":{"firstIndex":${first},"count":${entries.length}}}`;
  return [head, ...entries].map((line) => `${line}\n`).join('');
}
