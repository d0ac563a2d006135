import type pg from 'pg';
import type { Client, ClientConfig } from 'pg';
import { BrokerError } from '../../domain/errors.ts';
import { PostgresMessages } from '../../net/postgres/messages.ts';
import { watchLogin } from '../../net/postgres/watch-login.ts';

/** The longest message is a row with the body of a document, a report of a scanner or a segment of the log, all of which are far shorter. */
const BOUNDS = { messageBytes: 2 ** 26, messages: Infinity, listens: true };

type OnChunk = (chunk: Buffer) => void;

/** The part of a stream that the decoder of the driver uses. */
interface Source {
  readonly destroyed: boolean;
  on(event: string, listener: OnChunk): unknown;
  destroy(error: Error): unknown;
}

/** The member of the driver's connection that its types lack. */
interface DriverConnection {
  attachListeners(stream: Pick<Source, 'on'>): void;
}

/**
 * A client of the driver that gives its decoder only complete and well-formed messages, and its password only to a server that has proven its name.
 * Without TLS it admits only SCRAM, which proves the server, too: on loopback any local process can listen at the port of a database that is down.
 */
export function checkedClient(driver: typeof pg): new (config?: ClientConfig) => Client {
  return class CheckedClient extends driver.Client {
    constructor(config?: ClientConfig) {
      super(config);
      const { connection } = this;
      watchLogin(connection, {
        weak: () => {
          if (!isServerProven(this)) throw new BrokerError('ERR_STORE_UNAVAILABLE', WEAK);
        },
        unproven: () => {
          throw new BrokerError('ERR_STORE_UNAVAILABLE', UNPROVEN);
        },
      });
      checkMessages(connection as unknown as DriverConnection);
    }
  };
}

const WEAK =
  'the PostgreSQL server asks for the password itself or its MD5: let the role log in with scram-sha-256, or set sslmode=verify-full in the URL of store.connectionStringFile';
const UNPROVEN =
  'the PostgreSQL server does not prove that it knows the password: the process at this address may not be the database';

/** The URL may name TLS without any check of the certificate, which proves nothing. */
function isServerProven({ ssl }: { readonly ssl?: unknown }): boolean {
  if (typeof ssl !== 'object' || ssl === null) return ssl === true;
  return (ssl as { readonly rejectUnauthorized?: boolean }).rejectUnauthorized !== false;
}

/**
 * Puts the check between the stream, after TLS, and the decoder, which the driver attaches here. An error of the check, or of a listener that watches the
 * login, ends the connection before the driver reads the next message.
 */
function checkMessages(connection: DriverConnection): void {
  const attach = connection.attachListeners.bind(connection);
  connection.attachListeners = (stream) => attach(checkedSource(stream as Source));
}

function checkedSource(stream: Source): Pick<Source, 'on'> {
  const messages = new PostgresMessages(BOUNDS);
  const take = (chunk: Buffer, decode: OnChunk): void => {
    if (stream.destroyed) return;
    try {
      const checked = messages.take(chunk);
      if (checked !== undefined) decode(checked);
    } catch (error) {
      stream.destroy(error as Error);
    }
  };
  return {
    on: (event, listener) =>
      stream.on(event, event === 'data' ? (chunk) => take(chunk, listener) : listener),
  };
}
