import type { ClientConfig } from 'pg';

/** PostgreSQL's type OID of `bigint`. By default the driver returns it as text. */
const INT8 = 20;
/** Statement timeout. If a batch waits longer for a lock, the batch fails for all its callers. */
const STATEMENT_MS = 10_000;
/** Ends the session of a process that was suspended in the middle of a batch. Such a session holds the fence, and all other brokers wait for it. */
const IDLE_IN_TRANSACTION_MS = 5_000;
/** Client-side timeout, for a server that does not even report its own timeouts. */
const SILENCE_MS = 15_000;
const CONNECT_MS = 5_000;

/** Sets the timeouts of a session again, because a pooler may drop those of the connection's first message. */
export const SET_TIMEOUTS = `SET statement_timeout = ${STATEMENT_MS}; SET idle_in_transaction_session_timeout = ${IDLE_IN_TRANSACTION_MS}`;

type TypeParser = (value: string) => unknown;

/** Options of both kinds of connection: bounded waits, and integers as numbers (the schema keeps them within 2^53). */
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

/** The driver's type table. It is a parameter, because the driver is loaded only for PostgreSQL. */
export interface TypeSource {
  getTypeParser(oid: number, format?: string): TypeParser;
}
