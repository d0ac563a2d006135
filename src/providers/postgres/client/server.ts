import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { CallState } from '../../../ports/backend.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import { createGuard, type Guard, type GuardParts } from '../../guard/guard.ts';
import { maySendPassword, tlsFilesOf } from '../../server/config.ts';
import { readPasswordFile } from '../../server/password-file.ts';
import { readTlsIdentity } from '../../server/read-tls-identity.ts';
import type { PostgresConnectionConfig } from '../config.ts';
import { type PostgresDriver, type PostgresSession, withSession } from './session.ts';

type Work<T> = (session: PostgresSession) => Promise<T>;

/** One database of one server, under the guard of its connection. Each call opens and closes its own session. */
export interface PostgresServer {
  readonly host: string;
  readonly port: number;
  /** The role of the configuration file, which changes other roles. */
  readonly username: string;
  /** Does `work` as the connection's role; retries if that may help. `database`: another database of the server. */
  read<T>(context: CallContext, work: Work<T>, database?: string): Promise<T>;
  /**
   * Does `work` as the connection's role, once and in one transaction. @throws ERR_PROVIDER_TIMEOUT: the outcome is
   * unknown.
   */
  change<T>(context: CallContext, work: Work<T>, database?: string): Promise<T>;
  /** Does `work` as another role. @throws ERR_PROVIDER_DENIED, reason `login_refused`. */
  logIn<T>(
    login: { readonly username: string; readonly password: Sensitive<string> },
    context: CallContext,
    work: Work<T>,
  ): Promise<T>;
  state(): CallState;
}

/** Opens no connection yet. */
export async function connectPostgres(
  config: PostgresConnectionConfig,
  parts: GuardParts,
): Promise<PostgresServer> {
  const { default: driver } = await import('pg');
  return new GuardedServer(driver, config, createGuard(config.limits, parts));
}

class GuardedServer implements PostgresServer {
  readonly host: string;
  readonly port: number;
  readonly username: string;
  readonly #driver: PostgresDriver;
  readonly #config: PostgresConnectionConfig;
  readonly #guard: Guard;

  constructor(driver: PostgresDriver, config: PostgresConnectionConfig, guard: Guard) {
    this.host = config.host;
    this.port = config.port;
    this.username = config.username;
    this.#driver = driver;
    this.#config = config;
    this.#guard = guard;
  }

  state(): CallState {
    return this.#guard.state();
  }

  read<T>(context: CallContext, work: Work<T>, database?: string): Promise<T> {
    return this.#guard.read(context, (signal) => this.#asAdmin(signal, work, database));
  }

  change<T>(context: CallContext, work: Work<T>, database?: string): Promise<T> {
    return this.#guard.effect(context, (signal) =>
      this.#asAdmin(signal, (session) => session.transaction(() => work(session)), database),
    );
  }

  logIn<T>(
    login: { readonly username: string; readonly password: Sensitive<string> },
    context: CallContext,
    work: Work<T>,
  ): Promise<T> {
    return this.#guard.read(context, (signal) => this.#as(login, signal, work));
  }

  async #asAdmin<T>(signal: AbortSignal, work: Work<T>, database?: string): Promise<T> {
    const password = await readPasswordFile(this.#config.passwordFile);
    return this.#as({ username: this.username, password, database }, signal, work);
  }

  async #as<T>(
    who: {
      readonly username: string;
      readonly password: Sensitive<string>;
      readonly database?: string | undefined;
    },
    signal: AbortSignal,
    work: Work<T>,
  ): Promise<T> {
    const { host, port, limits } = this.#config;
    const files = tlsFilesOf(this.#config);
    const login = {
      host,
      port,
      ...who,
      database: who.database ?? this.#config.database,
      tls: files && (await readTlsIdentity(files)),
      maySendPassword: maySendPassword(this.#config),
      statementMs: limits.timeoutMs,
    };
    return withSession(this.#driver, login, signal, work);
  }
}
