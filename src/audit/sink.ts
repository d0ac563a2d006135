/** Receives the log's entries in order, at least once each. */
export interface Sink {
  /** Names the sink's cursor in the store. */
  readonly name: string;
  /** Entries without newlines. When it resolves they are as durable as the sink can make them. Rejects to be given the same again later. */
  deliver(entries: readonly string[]): Promise<void>;
  /** Lets go of the file under its name and opens it anew: after a log rotation. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}
