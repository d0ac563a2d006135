import { isIP } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { TlsIdentity } from '../../net/https/tls-identity.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { createGuard, type Guard, type GuardParts } from '../guard/guard.ts';
import { BoundedSocket } from '../server/bounded-socket.ts';
import { tlsFilesOf } from '../server/config.ts';
import { readPasswordFile } from '../server/password-file.ts';
import { readTlsIdentity } from '../server/read-tls-identity.ts';
import type { RedisConnectionConfig } from './config.ts';
import { RedisConnection } from './connection.ts';
import { refusalWordOf, toBrokerError } from './errors.ts';

/** Sends one command and returns the server's answer: text, integers, lists of them, or null. */
export type RedisCommand = (...words: readonly string[]) => Promise<unknown>;
type Work<T> = (command: RedisCommand) => Promise<T>;

/** The user of a connection. */
export interface RedisLogin {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/** One Redis server. Each operation opens and closes its own connection. */
export class RedisServer {
  readonly host: string;
  readonly port: number;
  readonly guard: Guard;
  readonly #config: RedisConnectionConfig;

  /** Sends nothing yet. */
  constructor(config: RedisConnectionConfig, parts: GuardParts) {
    this.host = config.host;
    this.port = config.port;
    this.guard = createGuard(config.limits, parts);
    this.#config = config;
  }

  /** Reads with the connection's own user; retried if that may help. @throws ERR_PROVIDER_*. */
  read<T>(context: CallContext, work: Work<T>): Promise<T> {
    return this.guard.read(context, (signal) => this.#asAdmin(signal, work));
  }

  /** Changes something with the connection's own user; one attempt. @throws as `read`. */
  change<T>(context: CallContext, work: Work<T>): Promise<T> {
    return this.guard.effect(context, (signal) => this.#asAdmin(signal, work));
  }

  /** Logs in as another user and disconnects. @throws as `read`; ERR_PROVIDER_DENIED, reason `login_refused`, is that login's. */
  logIn(login: RedisLogin, context: CallContext): Promise<void> {
    return this.guard.read(context, (signal) =>
      this.#session(login, signal, () => Promise.resolve()),
    );
  }

  async #asAdmin<T>(signal: AbortSignal, work: Work<T>): Promise<T> {
    const { username, passwordFile } = this.#config;
    return this.#session(
      { username, password: await readPasswordFile(passwordFile) },
      signal,
      work,
    );
  }

  async #session<T>(login: RedisLogin, signal: AbortSignal, work: Work<T>): Promise<T> {
    const files = tlsFilesOf(this.#config);
    const tls = files === undefined ? undefined : await readTlsIdentity(files);
    signal.throwIfAborted();
    const connection = this.#connection(tls);
    const end = (): void => connection.close();
    signal.addEventListener('abort', end, { once: true });
    try {
      await connection.opened(tls === undefined ? 'connect' : 'secureConnect');
      await connection.command(['AUTH', login.username, login.password.reveal()]);
      return await work((...words) => connection.command(words).catch(failRefused));
    } catch (error) {
      throw toBrokerError(error);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  /** Opens a connection. The socket counts what the server sends, and below TLS what the peer sends before it has proven anything. */
  #connection(tls: TlsIdentity | undefined): RedisConnection {
    const { host, port } = this;
    const socket = new BoundedSocket(host, port);
    if (tls === undefined) return new RedisConnection(socket);
    const { serverName = host, ...identity } = tls;
    return new RedisConnection(
      connectTls({
        ...identity,
        socket,
        minVersion: 'TLSv1.2',
        rejectUnauthorized: true,
        ...(isIP(serverName) === 0 && { servername: serverName }),
        checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
      }),
    );
  }
}

/** Converts the server's error at once, because it quotes the command. */
function failRefused(error: unknown): never {
  throw toBrokerError(error);
}

const ROUNDS = 20;

/**
 * Runs `work`, and again from its beginning after it killed a script. A script or function that does not end makes the server refuse all commands (`BUSY`),
 * so its author could block the removal of a password. One that has written cannot be killed (`UNKILLABLE`), and the refusal stands.
 */
export async function killingScripts<T>(command: RedisCommand, work: () => Promise<T>): Promise<T> {
  for (let round = 1; ; round += 1) {
    try {
      return await work();
    } catch (error) {
      if (refusalWordOf(error) !== 'BUSY' || round === ROUNDS) throw error;
      const wasKilled = await killScript(command);
      if (!wasKilled) throw error;
    }
  }
}

async function killScript(command: RedisCommand): Promise<boolean> {
  for (const kind of ['SCRIPT', 'FUNCTION']) {
    try {
      await command(kind, 'KILL');
      return true;
    } catch (error) {
      // NOTBUSY: it has ended by itself.
      if (refusalWordOf(error) === 'NOTBUSY') return true;
    }
  }
  return false;
}
