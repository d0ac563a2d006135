import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type { CallState } from '../../../ports/backend.ts';
import { createGuard, type Guard, type GuardParts } from '../../guard/guard.ts';
import { WatchedFile } from '../../../net/watched-file.ts';
import type { VaultServer } from '../config.ts';
import { Exchange, VaultWire, type Trust, type VaultRequest } from './transport.ts';
import {
  FileTokens,
  LoginTokens,
  type LoginParts,
  type CurrentToken,
  type TokenSource,
} from './tokens.ts';

/** One Vault or OpenBao, under the configured identity. */
export interface VaultClient {
  /** A call without effect, so it may be repeated. @throws ERR_NOT_FOUND, ERR_PROVIDER_*. The answer is attacker-controlled. */
  read(request: VaultRequest, context: CallContext): Promise<unknown>;
  /** A call with an effect, so it is made once. @throws as `read`. */
  effect(request: VaultRequest, context: CallContext): Promise<unknown>;
  /** Sends a request without a token, for `sys/health`. */
  anonymous(request: VaultRequest, context: CallContext): Promise<unknown>;
  state(): CallState;
  /** Revokes the token and closes every socket. */
  close(): Promise<void>;
}

/** @throws ERR_CONFIG_INVALID if the CA file cannot be read. */
export async function connectVault(
  server: VaultServer,
  parts: LoginParts & GuardParts,
): Promise<VaultClient> {
  const origin = new URL(server.address);
  const exchange = new Exchange(origin, await loadTrust(server), server.limits.maxConcurrent);
  const wire = new VaultWire(origin.origin, server.namespace, exchange);
  const { auth, limits } = server;
  const tokens: TokenSource =
    auth.method === 'token'
      ? new FileTokens(auth.tokenFile, parts.clock)
      : new LoginTokens(wire, auth, limits.timeoutMs, parts);
  return new GuardedVaultClient(wire, tokens, createGuard(limits, parts));
}

class GuardedVaultClient implements VaultClient {
  readonly #wire: VaultWire;
  readonly #tokens: TokenSource;
  readonly #guard: Guard;

  constructor(wire: VaultWire, tokens: TokenSource, guard: Guard) {
    this.#wire = wire;
    this.#tokens = tokens;
    this.#guard = guard;
  }

  read(request: VaultRequest, context: CallContext): Promise<unknown> {
    return this.#guard.read(context, (signal) => this.#send(request, signal));
  }

  effect(request: VaultRequest, context: CallContext): Promise<unknown> {
    return this.#guard.effect(context, (signal) => this.#send(request, signal));
  }

  anonymous(request: VaultRequest, context: CallContext): Promise<unknown> {
    return this.#guard.read(context, (signal) => this.#wire.send(request, undefined, signal));
  }

  state(): CallState {
    return this.#guard.state();
  }

  async close(): Promise<void> {
    await this.#tokens.close();
    this.#wire.close();
  }

  /** A refused call had no effect, so one more call with another token is safe. Most often the old token had been revoked. */
  async #send(request: VaultRequest, signal: AbortSignal): Promise<unknown> {
    if (request.token !== undefined) return this.#wire.send(request, request.token, signal);
    const token = await this.#tokens.current();
    try {
      return await this.#wire.send(request, token.value, signal);
    } catch (error) {
      const other = isDenied(error) ? await this.#otherThan(token) : undefined;
      if (other === undefined) throw error;
      return this.#wire.send(request, other.value, signal);
    }
  }

  /**
   * Gets a token other than `token`. If there is none, the caller gets the refusal, which is more useful than the
   * reason why there is none.
   */
  #otherThan(token: CurrentToken): Promise<CurrentToken | undefined> {
    return this.#tokens.replacement(token).catch(() => undefined);
  }
}

function isDenied(error: unknown): boolean {
  return error instanceof BrokerError && error.code === 'ERR_PROVIDER_DENIED';
}

/** The authority is read again when its file changes. */
export async function loadTrust({ caFile, serverName }: VaultServer): Promise<Trust> {
  if (caFile === undefined) return { caFile, serverName };
  const file = new WatchedFile(caFile);
  await file.text().catch((error: unknown) => {
    const { cause } = error as BrokerError;
    const text = `the CA file ${caFile} of a Vault connection cannot be read`;
    throw new BrokerError('ERR_CONFIG_INVALID', text, { cause });
  });
  return { caFile: file, serverName };
}
