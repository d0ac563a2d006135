import type pg from 'pg';
import type { ClientConfig, QueryArrayConfig } from 'pg';
import { BrokerError } from '../../../domain/errors.ts';
import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { TlsIdentity } from '../../../net/https/tls-identity.ts';
import { watchLogin } from '../../../net/postgres/watch-login.ts';
import { CLEARTEXT_NEEDS } from '../../server/config.ts';
import { toBrokerError } from '../errors.ts';
import { PostgresWire } from './wire.ts';

export type PostgresDriver = typeof pg;

/** Row of attacker-controlled text as the server sent it, whatever the types; names of columns are dropped. */
export type PostgresRow = readonly (string | null)[];
export type PostgresValue = string | readonly string[];

/** The login and its server. */
export interface PostgresLogin {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly username: string;
  readonly password: Sensitive<string>;
  /** Files of the TLS connection; undefined: no TLS. */
  readonly tls: TlsIdentity | undefined;
  /** The server may ask for the password itself, or for its MD5, which is as good for a login. Otherwise only SCRAM proves the server, too. */
  readonly maySendPassword: boolean;
  readonly statementMs: number;
}

/** One connection, from its login to the end of its work. Failures are BrokerErrors of `toBrokerError`. */
export interface PostgresSession {
  /** True if the server asked for a password; otherwise the login proves nothing. */
  readonly wasAsked: boolean;
  /** Runs exactly one statement; the values of `$1` … are sent separately. */
  query(text: string, values?: readonly PostgresValue[]): Promise<readonly PostgresRow[]>;
  /** Runs `work` in one transaction. @throws ERR_PROVIDER_TIMEOUT once the signal fires: then the outcome is unknown. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

/** Logs in, does `work` and always disconnects; at once when the signal fires. */
export async function withSession<T>(
  driver: PostgresDriver,
  login: PostgresLogin,
  signal: AbortSignal,
  work: (session: PostgresSession) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const session = new DriverSession(driver, login);
  const giveUp = (): void => session.abandon(signal.reason);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    await session.open();
    return await work(session);
  } finally {
    signal.removeEventListener('abort', giveUp);
    session.close();
  }
}

class DriverSession implements PostgresSession {
  wasAsked = false;
  readonly #wire: PostgresWire;
  readonly #client: pg.Client;
  /** Cause that ended the connection, if known: the driver's own error says less. */
  #failure: unknown;

  constructor(driver: PostgresDriver, login: PostgresLogin) {
    this.#wire = new PostgresWire(login.tls);
    this.#wire.once('error', (error) => (this.#failure ??= error));
    this.#client = new driver.Client(clientConfig(login, this.#wire));
    // An error while no statement runs: the next statement fails and reports it.
    this.#client.on('error', () => undefined);
    watchLogin(this.#client.connection, {
      asked: () => void (this.wasAsked = true),
      weak: () => {
        if (login.maySendPassword) return;
        const detail = `the server asks for the password itself; ${CLEARTEXT_NEEDS}`;
        this.#distrust('weak_authentication', detail);
      },
      unproven: () => this.#distrust('server_unproven'),
    });
  }

  async open(): Promise<void> {
    await this.#withFailure(this.#client.connect());
  }

  async query(
    text: string,
    values: readonly PostgresValue[] = [],
  ): Promise<readonly PostgresRow[]> {
    return (await this.#run(text, values)).rows;
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
    const made = await work();
    // The server answers the COMMIT of a failed transaction with success and the word ROLLBACK.
    const { command } = await this.#run('COMMIT', []);
    if (command !== 'COMMIT') {
      throw new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason: 'not_committed' });
    }
    return made;
  }

  close(): void {
    if (this.#wire.destroyed) return;
    this.#wire.once('finish', () => this.#wire.destroy());
    this.#client.end().catch(() => undefined);
  }

  abandon(reason: unknown): void {
    this.#failure ??= reason;
    this.#wire.destroy();
  }

  async #run(text: string, values: readonly PostgresValue[]): Promise<pg.QueryArrayResult> {
    // The extended protocol refuses a second statement in the same text.
    const query: QueryArrayConfig & { readonly queryMode: 'extended' } = {
      text,
      values: [...values],
      rowMode: 'array',
      queryMode: 'extended',
    };
    return this.#withFailure(this.#client.query(query));
  }

  async #withFailure<T>(call: Promise<T>): Promise<T> {
    try {
      return await call;
    } catch (error) {
      throw toBrokerError(this.#failure ?? error);
    }
  }

  #distrust(reason: string, detail?: string): void {
    this.#failure ??= new BrokerError('ERR_PROVIDER_MALFORMED', detail, { reason });
    this.#wire.destroy();
  }
}

/** The search path is the catalogue alone, so that no other role's function or table can replace one. */
function clientConfig(login: PostgresLogin, wire: PostgresWire): ClientConfig {
  const { host, port, database, username, password, statementMs } = login;
  const settings = {
    search_path: 'pg_catalog,pg_temp',
    standard_conforming_strings: 'on',
    client_min_messages: 'error',
    statement_timeout: String(statementMs),
    idle_in_transaction_session_timeout: String(statementMs),
  };
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  return {
    host,
    port,
    database,
    user: username,
    password: () => password.reveal(),
    ssl: false,
    stream: () => wire,
    application_name: 'quaymaster',
    client_encoding: 'UTF8',
    options: options.join(' '),
    types: { getTypeParser: () => (value: string) => value },
  };
}
