import type mysql2 from 'mysql2';
import type { AuthPlugin, Connection, ConnectionOptions } from 'mysql2';
import type { BrokerError } from '../../../domain/errors.ts';
import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { createGuard, type Guard, type GuardParts } from '../../guard/guard.ts';
import { BoundedSocket } from '../../server/bounded-socket.ts';
import { isLoopback, maySendPassword, tlsFilesOf } from '../../server/config.ts';
import { readPasswordFile } from '../../server/password-file.ts';
import { readTlsIdentity } from '../../server/read-tls-identity.ts';
import type { MysqlConnectionConfig } from '../config.ts';
import { toBrokerError } from '../errors.ts';
import { boundPackets } from './bound-packets.ts';
import { MysqlSession } from './session.ts';

type Driver = Pick<typeof mysql2, 'createConnection' | 'authPlugins'>;
/** Faults of the transport, which cause other errors. */
const TELLING = new Set(['tls', 'too_large']);

type Work<T> = (session: MysqlSession) => Promise<T>;

/** The account of a session. */
export interface MysqlLogin {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/**
 * Statement that every session runs first: quoting has one meaning, and SHOW GRANTS quotes names. On MariaDB, the only server
 * that reads `/*M! … `, GRANT must not create a user without a password if a revocation dropped the user in between.
 */
const SETTLE =
  "SET SESSION sql_mode = CONCAT('NO_BACKSLASH_ESCAPES' /*M!, ',NO_AUTO_CREATE_USER' */), SESSION sql_quote_show_create = 1";

/** Loads the driver, and sends nothing yet. */
export async function connectMysql(
  config: MysqlConnectionConfig,
  parts: GuardParts,
): Promise<MysqlServer> {
  return new MysqlServer(config, parts, (await import('mysql2')).default);
}

/** One MySQL or MariaDB server. Each operation opens its own connection: none waits for another, and none stays idle with an administrator's rights. */
export class MysqlServer {
  readonly host: string;
  readonly port: number;
  /** The connection's own account. */
  readonly username: string;
  readonly guard: Guard;
  readonly #config: MysqlConnectionConfig;
  readonly #driver: Driver;

  constructor(config: MysqlConnectionConfig, parts: GuardParts, driver: Driver) {
    this.host = config.host;
    this.port = config.port;
    this.username = config.username;
    this.guard = createGuard(config.limits, parts);
    this.#config = config;
    this.#driver = driver;
  }

  /** Reads with the connection's own account; retried if that may help. @throws ERR_PROVIDER_*. */
  read<T>(context: CallContext, work: Work<T>): Promise<T> {
    return this.guard.read(context, (signal) => this.#asAdmin(signal, work));
  }

  /** Changes something with the connection's own account; one attempt. @throws as `read`. */
  change<T>(context: CallContext, work: Work<T>): Promise<T> {
    return this.guard.effect(context, (signal) => this.#asAdmin(signal, work));
  }

  /** Logs in with another account. @throws as `read`; ERR_PROVIDER_DENIED, reason `login_refused`, is that login's. */
  logIn<T>(login: MysqlLogin, context: CallContext, work: Work<T>): Promise<T> {
    return this.guard.read(context, (signal) => this.#session(login, signal, work));
  }

  async #asAdmin<T>(signal: AbortSignal, work: Work<T>): Promise<T> {
    const { username, passwordFile } = this.#config;
    const password = await readPasswordFile(passwordFile);
    return this.#session({ username, password }, signal, async (session) => {
      await session.run(SETTLE);
      return work(session);
    });
  }

  async #session<T>(login: MysqlLogin, signal: AbortSignal, work: Work<T>): Promise<T> {
    const options = await this.#options(login);
    signal.throwIfAborted();
    const socket = new BoundedSocket(this.host, this.port);
    const end = (): void => void socket.destroy();
    const faults: BrokerError[] = [];
    let refused: BrokerError | undefined;
    const note = (error: unknown): void => void faults.push(toBrokerError(error));
    socket.on('error', note);
    signal.addEventListener('abort', end, { once: true });
    try {
      const connection = this.#driver.createConnection({ ...options, stream: () => socket });
      boundPackets(connection, (error) => {
        refused = error;
        socket.destroy(error);
      });
      // The connection may fail more than once, and an error without a listener would end the process.
      connection.on('error', note);
      const result = await Promise.race([
        workAfterLogin(connection, work, maySendPassword(this.#config)),
        rejectOnClose(socket),
      ]);
      // Sends the quit message without waiting for an answer.
      connection.end(() => undefined);
      return result;
    } catch (error) {
      // Errors after it only say that the connection is gone.
      throw (
        refused ?? faults.find(({ reason = '' }) => TELLING.has(reason)) ?? toBrokerError(error)
      );
    } finally {
      signal.removeEventListener('abort', end);
      socket.destroy();
    }
  }

  /** The method as it is used without TLS: its second round encrypts the password with a key that the peer sends, whichever process it is. */
  #sha2WithoutTls(): Record<string, AuthPlugin> {
    if (!isLoopback(this.host)) return { caching_sha2_password: refuseMethod };
    if (maySendPassword(this.#config)) return {};
    const method = this.#driver.authPlugins.caching_sha2_password({});
    return { caching_sha2_password: firstRoundOnly(method) };
  }

  async #options({ username, password }: MysqlLogin): Promise<ConnectionOptions> {
    const files = tlsFilesOf(this.#config);
    const tls = files === undefined ? undefined : await readTlsIdentity(files);
    const { serverName = this.host, ...identity } = tls ?? {};
    return {
      // The name that the certificate must have; the socket has its own address.
      host: serverName,
      user: username,
      password: password.reveal(),
      connectTimeout: 0,
      multipleStatements: false,
      // Without this, the driver compiles parsers from the column names that a server sends: CVE-2024-21508.
      disableEval: true,
      enableCleartextPlugin: false,
      authPlugins: {
        mysql_clear_password: refuseMethod,
        sha256_password: refuseMethod,
        ...(tls === undefined && this.#sha2WithoutTls()),
      },
      // A server must not read the broker's files (LOAD DATA LOCAL INFILE).
      flags: ['-LOCAL_FILES'],
      ...(tls !== undefined && {
        // A new object for each connection: with a shared one the driver resumes TLS sessions, which skips the check of
        // the name.
        ssl: { ...identity, rejectUnauthorized: true, verifyIdentity: true, minVersion: 'TLSv1.2' },
      }),
    };
  }
}

/** The first round of the method sends a proof of the password, which a server accepts while it remembers the login. */
const FULL_LOGIN = 4;

/** Refuses the second round. */
function firstRoundOnly(method: AuthPlugin): AuthPlugin {
  return (metadata) => {
    const answer = method(metadata);
    return (data) => (data.length === 1 && data[0] === FULL_LOGIN ? refuseMethod() : answer(data));
  };
}

async function workAfterLogin<T>(
  connection: Connection,
  work: Work<T>,
  maySend: boolean,
): Promise<T> {
  await waitForLogin(connection);
  return work(new MysqlSession(connection.promise(), maySend));
}

/**
 * Rejects when the connection is closed. After some malformed rows the driver does not report that, and the statement would wait for the deadline
 * (found by generated answers).
 */
function rejectOnClose(socket: BoundedSocket): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>();
  socket.once('close', () =>
    reject(Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' })),
  );
  return promise;
}

async function waitForLogin(connection: Connection): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>();
  connection.once('connect', () => resolve(undefined));
  connection.once('error', reject);
  await promise;
}

/** Refuses a login that sends the plain password, or gives it to a peer that has proven nothing. */
function refuseMethod(): never {
  throw Object.assign(new Error('a login in the clear'), { code: 'AUTH_SWITCH_PLUGIN_ERROR' });
}
