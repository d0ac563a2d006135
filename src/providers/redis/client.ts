import type { RedisClient, RedisClientOptions } from '@redis/client';
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import { BrokerError } from '../../domain/errors.ts';
import type { Sensitive } from '../../domain/secrets/sensitive.ts';
import type { CallContext } from '../../ports/call-context.ts';
import { createGuard, type Guard, type GuardParts } from '../guard/guard.ts';
import { BoundedSocket } from '../server/bounded-socket.ts';
import { tlsFilesOf } from '../server/config.ts';
import { readPasswordFile } from '../server/password-file.ts';
import { readTlsIdentity } from '../server/read-tls-identity.ts';
import type { RedisConnectionConfig } from './config.ts';
import { refusalWordOf, toBrokerError } from './errors.ts';

/** Sends one command and returns the server's answer: text, integers, lists of them, or null. */
export type RedisCommand = (...words: readonly string[]) => Promise<unknown>;
type Work<T> = (command: RedisCommand) => Promise<T>;

/** The user of a connection. */
export interface RedisLogin {
  readonly username: string;
  readonly password: Sensitive<string>;
}

/** Loads the driver, and sends nothing yet. */
export async function connectRedis(
  config: RedisConnectionConfig,
  parts: GuardParts,
): Promise<RedisServer> {
  return new RedisServer(config, parts, (await import('@redis/client')).RedisClient);
}

/** One Redis server. Each operation opens and closes its own connection. */
export class RedisServer {
  readonly host: string;
  readonly port: number;
  readonly guard: Guard;
  readonly #config: RedisConnectionConfig;
  readonly #Client: typeof RedisClient;

  constructor(config: RedisConnectionConfig, parts: GuardParts, Client: typeof RedisClient) {
    this.host = config.host;
    this.port = config.port;
    this.guard = createGuard(config.limits, parts);
    this.#config = config;
    this.#Client = Client;
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
    const socket = await this.#socket();
    signal.throwIfAborted();
    // Not `createClient`: for each new password it builds a class with a method per command (35 ms of CPU), and keeps the password in a cache key.
    const client = new this.#Client({
      username: login.username,
      password: login.password.reveal(),
      socket,
      RESP: 2,
      disableClientInfo: true,
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
    });
    let fault: unknown;
    const end = (): void => client.destroy();
    client.on('error', (error: unknown) => {
      fault ??= error;
      end();
    });
    signal.addEventListener('abort', end, { once: true });
    try {
      await client.connect();
      return await work((...words) => client.sendCommand([...words]).catch(failRefused));
    } catch (error) {
      throw toBrokerError(error instanceof BrokerError || fault === undefined ? error : fault);
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
  }

  async #socket(): Promise<NonNullable<RedisClientOptions['socket']>> {
    const { host, port } = this;
    // A lost connection ends its operation.
    const once = { host, port, connectTimeout: 0, reconnectStrategy: false } as const;
    const files = tlsFilesOf(this.#config);
    if (files === undefined) return once;
    const { serverName = host, ...identity } = await readTlsIdentity(files);
    return {
      ...once,
      ...identity,
      tls: true,
      socket: new BoundedSocket(host, port),
      minVersion: 'TLSv1.2',
      rejectUnauthorized: true,
      ...(isIP(serverName) === 0 && { servername: serverName }),
      checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
    };
  }
}

/** Converts the driver's error at once, because it quotes the command. */
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
