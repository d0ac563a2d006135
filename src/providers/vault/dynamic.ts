import { BrokerError } from '../../domain/errors.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../ports/secret-provider.ts';
import type { VaultRequest } from '../../upstream/vault/wire.ts';
import { parseOptions } from '../../upstream/parse-options.ts';
import {
  parseCredential,
  parseLeaseSeconds,
  parseOrphanToken,
  parseTokenSeconds,
  saysGone,
  type OrphanToken,
} from './answers.ts';
import { dynamicRef, type DynamicRef } from './config.ts';
import { parseHandle, printHandle, type CredentialHandle } from './credential-handle.ts';
import type { HeldTokens } from './held-tokens.ts';
import type { VaultCalls } from './vault-calls.ts';

/** How long an orphan token lives of which nobody knows the accessor: nothing hangs on it yet. */
const UNUSED_SECONDS = 60;

/**
 * Credentials of the server's dynamic engines. A lease belongs to the token that asked for it and dies with it, so each credential
 * has an orphan token of its own, which no end of the broker's token reaches and whose accessor is committed before the lease exists.
 */
export class VaultCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #calls: VaultCalls;
  readonly #tokens: HeldTokens;
  readonly #tokenRole: string;

  constructor(calls: VaultCalls, tokens: HeldTokens, tokenRole: string) {
    this.#calls = calls;
    this.#tokens = tokens;
    this.#tokenRole = tokenRole;
  }

  begin(request: CredentialRequest): string {
    const ref = request.ref === undefined ? undefined : parseOptions(dynamicRef, request.ref);
    return printHandle({
      v: 1,
      intent: request.intentId,
      path: request.locator,
      method: ref?.method ?? 'GET',
      ttl: request.ttlSeconds,
      ...(ref?.data !== undefined && { data: ref.data }),
    });
  }

  async prepare(text: string, context: CallContext): Promise<string> {
    const handle = parseHandle(text);
    const orphan = await this.#createOrphan(handle, context);
    if (!orphan.isFit) {
      await this.#revokeToken(orphan.accessor, context);
      this.#fail('ERR_PROVIDER_FAILED', 'token_role');
    }
    this.#tokens.hold(handle.intent, orphan.token, orphan.seconds);
    return printHandle({ ...handle, accessor: orphan.accessor });
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const handle = parseHandle(text);
    const token = this.#tokens.take(handle.intent);
    if (token === undefined || handle.accessor === undefined) {
      return this.#fail('ERR_PROVIDER_UNAVAILABLE', 'token_lost');
    }
    const tokenSeconds = await this.#extendToken(handle.accessor, handle.ttl, context);
    const request: VaultRequest = { ...requestFor(handle), token, secretive: true };
    const made = await this.#answer(this.#calls.effect(request, context), parseCredential);
    return {
      data: made.data,
      ttlSeconds: Math.min(made.seconds, tokenSeconds),
      renewable: made.renewable,
      handle: printHandle({ ...handle, lease: made.lease }),
    };
  }

  async renew(text: string, ttlSeconds: number, context: CallContext): Promise<number> {
    const { accessor, lease } = parseHandle(text);
    if (accessor === undefined || lease === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const body = { lease_id: lease, increment: ttlSeconds };
    const renewal = this.#calls.effect({ method: 'PUT', path: 'sys/leases/renew', body }, context);
    const leaseSeconds = await this.#answer(renewal, parseLeaseSeconds);
    // Both bound the credential: the lease by its own end, the token by taking the lease with it.
    return Math.min(leaseSeconds, await this.#extendToken(accessor, ttlSeconds, context));
  }

  async revoke(text: string, context: CallContext): Promise<void> {
    const { intent, accessor, lease } = parseHandle(text);
    this.#tokens.take(intent);
    // Without an accessor there is at most a token that nobody holds and nothing hangs on; it ends within a minute.
    if (accessor === undefined) return;
    // The end of a token revokes its leases some time later; the lease is asked for by name, so that the outcome is known.
    const [leaseEnd] = await Promise.allSettled([
      lease === undefined ? undefined : this.#revokeLease(lease, context),
    ]);
    await this.#revokeToken(accessor, context);
    if (leaseEnd.status === 'rejected') throw leaseEnd.reason;
  }

  #createOrphan(handle: CredentialHandle, context: CallContext): Promise<OrphanToken> {
    const body = {
      ttl: `${Math.min(handle.ttl, UNUSED_SECONDS)}s`,
      renewable: true,
      display_name: 'quaymaster',
      meta: { quaymaster_intent: handle.intent },
    };
    const path = `auth/token/create/${this.#tokenRole}`;
    const creation = this.#calls.effect({ method: 'POST', path, body }, context);
    return this.#answer(creation, parseOrphanToken);
  }

  #extendToken(accessor: string, seconds: number, context: CallContext): Promise<number> {
    const body = { accessor, increment: seconds };
    const path = 'auth/token/renew-accessor';
    const extension = this.#calls.effect({ method: 'POST', path, body }, context);
    return this.#answer(extension, parseTokenSeconds);
  }

  async #revokeLease(lease: string, context: CallContext): Promise<void> {
    const body = { lease_id: lease, sync: true };
    await this.#calls
      .effect({ method: 'PUT', path: 'sys/leases/revoke', body, secretive: true }, context)
      .catch(unlessGone);
  }

  async #revokeToken(accessor: string, context: CallContext): Promise<void> {
    const body = { accessor };
    await this.#calls
      .effect({ method: 'POST', path: 'auth/token/revoke-accessor', body }, context)
      .catch(unlessGone);
  }

  /** What is not there any more is absent; what cannot be read names the connection. */
  async #answer<T>(call: Promise<unknown>, parse: (answer: unknown) => T): Promise<T> {
    const answer = await call.catch((error: unknown) => {
      throw saysGone(error) ? new BrokerError('ERR_NOT_FOUND', undefined, { cause: error }) : error;
    });
    try {
      return parse(answer);
    } catch (error) {
      return this.#calls.fail(error);
    }
  }

  #fail(code: 'ERR_PROVIDER_FAILED' | 'ERR_PROVIDER_UNAVAILABLE', reason: string): never {
    return this.#calls.fail(new BrokerError(code, undefined, { reason }));
  }
}

function requestFor(handle: CredentialHandle): VaultRequest {
  const { path, method, data } = handle;
  if (method === 'POST') return { method, path, body: data ?? {} };
  return { method, path: path + queryOf(data) };
}

function queryOf(data: DynamicRef['data']): string {
  const pairs = Object.entries(data ?? {}).map(([name, value]): [string, string] => [
    name,
    String(value),
  ]);
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

function unlessGone(error: unknown): void {
  if (!saysGone(error)) throw error;
}
