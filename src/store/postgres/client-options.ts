import type { ClientConfig } from 'pg';

/** PostgreSQL's type number of `bigint`, which the driver would give as text. */
const INT8 = 20;
/** What a statement may take; a batch that waits longer for a lock fails, and its callers with it. */
const STATEMENT_MS = 10_000;
/** Ends the session of a process that was stopped in the middle of a batch: it holds the fence, and all others wait. */
const IDLE_IN_TRANSACTION_MS = 5_000;
/** When not even the server's own timeouts are heard of any more. */
const SILENCE_MS = 15_000;
const CONNECT_MS = 5_000;

type TypeParser = (value: string) => unknown;

/** Both kinds of connection: bounded waits, and integers as numbers (the schema keeps them within 2^53). */
export function clientOptions(connectionString: string, typesOf: TypeSource): ClientConfig {
  return {
    connectionString,
    connectionTimeoutMillis: CONNECT_MS,
    statement_timeout: STATEMENT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    query_timeout: SILENCE_MS,
    keepAlive: true,
    types: {
      getTypeParser: (oid: number, format?: string): TypeParser =>
        oid === INT8 ? Number : typesOf.getTypeParser(oid, format),
    },
  };
}

/** The driver's own table of types; given, because the driver is loaded only where PostgreSQL is used. */
export interface TypeSource {
  getTypeParser(oid: number, format?: string): TypeParser;
}
