import type { Connection, FieldPacket, QueryResult } from 'mysql2/promise';
import { ofStatement } from '../errors.ts';
import { readPlain } from './bound-packets.ts';

const READING = { rowsAsArray: true, typeCast: readPlain } as const;

/** The columns of a row in the requested order, as text. */
export type MysqlRow = readonly (string | null)[];

/** Session of one login, for the few statements of one operation. */
export class MysqlSession {
  /** True if a statement may contain a password: the connection has TLS, or the configuration allows it. */
  readonly maySendPassword: boolean;
  readonly #connection: Connection;

  constructor(connection: Connection, maySendPassword: boolean) {
    this.#connection = connection;
    this.maySendPassword = maySendPassword;
  }

  /** A statement without result rows. Its author has quoted all values, because names and passwords of accounts cannot be bound. */
  async run(sql: string): Promise<void> {
    await this.#answer(this.#connection.query({ sql, ...READING }));
  }

  /** Rows, limited to the bytes that a connection may receive. `values` are bound. */
  async ask(sql: string, values: readonly string[] = []): Promise<readonly MysqlRow[]> {
    const bound = [...values];
    const rows = await this.#answer(
      bound.length === 0
        ? this.#connection.query({ sql, ...READING })
        : this.#connection.execute({ sql, values: bound, ...READING }),
    );
    if (!Array.isArray(rows)) return [];
    return rows.map((row: unknown) => (Array.isArray(row) ? row.map(textOf) : []));
  }

  async #answer(pending: Promise<[QueryResult, FieldPacket[]]>): Promise<QueryResult> {
    try {
      return (await pending)[0];
    } catch (error) {
      // The driver's own error quotes the statement and the address of the server.
      throw ofStatement(error);
    }
  }
}

function textOf(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  if (Buffer.isBuffer(value)) return value.toString('utf8');
  return typeof value === 'string' ? value : JSON.stringify(value);
}
