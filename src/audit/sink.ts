/** Neighbouring entries of the log, without newlines. */
export interface Delivery {
  /** Index of the first entry in the log. If it is not the end of the previous delivery, entries are missing or repeated. */
  readonly first: number;
  readonly entries: readonly string[];
}

/** Receives the log's entries in order, each at least once. */
export interface Sink {
  /** Names the sink's cursor in the store. */
  readonly name: string;
  /** When it resolves, the entries are as durable as the sink can make them. If it rejects, the same entries are delivered again. */
  deliver(delivery: Delivery): Promise<void>;
  /** Closes the file and opens its path again, after a log rotation. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** A line with the places of the entries after it, then one line for each entry. */
export function deliveryLines({ first, entries }: Delivery): string {
  const head = `{"delivery":{"firstIndex":${first},"count":${entries.length}}}`;
  return [head, ...entries].map((line) => `${line}\n`).join('');
}
