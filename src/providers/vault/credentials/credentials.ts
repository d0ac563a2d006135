import { BrokerError } from '../../../domain/errors.ts';
import type { CallContext } from '../../../ports/call-context.ts';
import type {
  CredentialRequest,
  DynamicCredentials,
  IssuedCredential,
} from '../../../ports/secret-provider.ts';
import type { VaultRequest } from '../client/transport.ts';
import { parseOptions } from '../../parse-options.ts';
import {
  parseCredential,
  parseLeaseSeconds,
  parseOrphanToken,
  parseTokenIntent,
  parseTokenSeconds,
  saysForbidden,
  saysGone,
  type OrphanToken,
} from './answers.ts';
import { dynamicRef, type DynamicRef } from '../config.ts';
import { parseHandle, printHandle, type CredentialHandle } from './handle.ts';
import type { VaultCalls } from '../client/calls.ts';
import { encodeVaultPath } from '../client/encode-path.ts';
import type { Sensitive } from '../../../domain/secrets/sensitive.ts';
import type { Clock } from '../../../ports/clock.ts';

/** Last segment of a lease id; a server with namespaces appends the id of the namespace. */
const LEASE_SEGMENT = /^[A-Za-z0-9_-]+(?:\.[A-Za-z0-9]+)?$/;

/** Lifetime of an orphan token whose accessor is not committed yet: it has no lease. */
const UNUSED_SECONDS = 60;

/** The parts of a mount that its credentials need: the encoded path that contains all of them, and the role that creates their tokens. */
export interface DynamicMount {
  readonly covers: string;
  readonly tokenRole: string;
}

/**
 * Credentials of the server's dynamic engines. A lease belongs to the token that requested it and ends with it. So each credential has its
 * own orphan token, which survives the broker's token, and whose accessor is committed before the lease exists.
 */
export class VaultCredentials implements DynamicCredentials {
  readonly revocation = 'revocable';
  readonly #calls: VaultCalls;
  readonly #tokens: PreparedTokens;
  readonly #mount: DynamicMount;

  constructor(calls: VaultCalls, tokens: PreparedTokens, mount: DynamicMount) {
    this.#calls = calls;
    this.#tokens = tokens;
    this.#mount = mount;
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
    const handle = this.#bounded(text);
    const orphan = await this.#createOrphan(handle, context);
    if (!orphan.isFit) {
      await this.#revokeToken(orphan.accessor, context);
      this.#fail('ERR_PROVIDER_FAILED', 'token_role');
    }
    this.#tokens.hold(handle.intent, orphan.token, orphan.seconds);
    return printHandle({ ...handle, accessor: orphan.accessor });
  }

  async issue(text: string, context: CallContext): Promise<IssuedCredential> {
    const handle = this.#bounded(text);
    const token = this.#tokens.take(handle.intent);
    if (token === undefined || handle.accessor === undefined) {
      return this.#fail('ERR_PROVIDER_UNAVAILABLE', 'token_lost');
    }
    const tokenSeconds = await this.#extendToken(handle.accessor, handle.ttl, context);
    const request: VaultRequest = { ...requestFor(handle), token };
    const made = await this.#answer(this.#calls.effect(request, context), parseCredential);
    return {
      data: made.data,
      ttlSeconds: Math.min(made.seconds, tokenSeconds),
      renewable: made.renewable,
      handle: printHandle({ ...handle, lease: made.lease }),
    };
  }

  async renew(text: string, ttlSeconds: number, context: CallContext): Promise<number> {
    const { accessor, lease } = this.#bounded(text);
    if (accessor === undefined || lease === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const args = { lease_id: lease, increment: ttlSeconds };
    const renewal = this.#calls.effect({ verb: 'renew', args }, context);
    const leaseSeconds = await this.#answer(renewal, parseLeaseSeconds);
    // Both limit the credential: the lease by its own expiry, and the token because its end revokes the lease.
    return Math.min(leaseSeconds, await this.#extendToken(accessor, ttlSeconds, context));
  }

  async revoke(text: string, context: CallContext): Promise<void> {
    const { intent, accessor, lease } = this.#bounded(text);
    this.#tokens.take(intent);
    // Without an accessor there is at most a token without a holder and without leases; it expires within a minute.
    if (accessor === undefined) return;
    await this.#assertOurs(accessor, intent, context);
    // The server revokes a token's leases only some time after the token. So the broker revokes the lease explicitly to know the outcome.
    const [leaseEnd] = await Promise.allSettled([
      lease === undefined ? undefined : this.#revokeLease(lease, context),
    ]);
    await this.#revokeToken(accessor, context);
    if (leaseEnd.status === 'rejected') throw leaseEnd.reason;
  }

  /**
   * A handle comes from the database. If an attacker writes there, the broker must not use its own token on leases of other mounts.
   * @throws ERR_DENIED for a path outside this mount, or a lease that was not created at the handle's path.
   */
  #bounded(text: string): CredentialHandle {
    const handle = parseHandle(text);
    const { path, lease } = handle;
    const isOfMount = path.startsWith(this.#mount.covers) && isCanonical(path);
    if (isOfMount && (lease === undefined || isLeaseOf(path, lease))) return handle;
    throw outOfBounds();
  }

  /**
   * Revokes only tokens that `prepare` created for this credential. The broker's token may lack the right to look up accessors. Then the
   * MAC of the stored row is the only proof that the accessor is the broker's own (docs/providers/vault.md).
   */
  async #assertOurs(accessor: string, intent: string, context: CallContext): Promise<void> {
    const body = { accessor };
    const path = 'auth/token/lookup-accessor';
    try {
      const answer = await this.#calls.read({ method: 'POST', path, body }, context);
      if (parseTokenIntent(answer) !== intent) throw outOfBounds();
    } catch (error) {
      if (!saysGone(error) && !saysForbidden(error)) throw error;
    }
  }

  #createOrphan(handle: CredentialHandle, context: CallContext): Promise<OrphanToken> {
    const body = {
      ttl: `${Math.min(handle.ttl, UNUSED_SECONDS)}s`,
      renewable: true,
      display_name: 'quaymaster',
      meta: { quaymaster_intent: handle.intent },
    };
    const path = `auth/token/create/${this.#mount.tokenRole}`;
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
      .effect({ method: 'POST', path: 'sys/leases/revoke', body }, context)
      .catch(unlessGone);
  }

  async #revokeToken(accessor: string, context: CallContext): Promise<void> {
    const args = { accessor };
    await this.#calls.effect({ verb: 'tokenRevokeAccessor', args }, context).catch(unlessGone);
  }

  /** A missing token or lease is ERR_NOT_FOUND; an answer that cannot be parsed is an error that names the connection. */
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

function outOfBounds(): BrokerError {
  return new BrokerError(
    'ERR_DENIED',
    'the stored handle of this credential names a lease or token that the broker did not create for this mount',
    { reason: 'out_of_bounds' },
  );
}

/** A lease id is the path in the server's form, without percent-encoding, and one segment more. */
function isLeaseOf(path: string, lease: string): boolean {
  const prefix = `${decodedPath(path)}/`;
  return lease.startsWith(prefix) && LEASE_SEGMENT.test(lease.slice(prefix.length));
}

/** Reports whether the broker can have encoded this path: it has no relative segment, in any encoding. */
function isCanonical(path: string): boolean {
  try {
    return encodeVaultPath(decodedPath(path)) === path;
  } catch {
    return false;
  }
}

function decodedPath(path: string): string {
  return path.split('/').map(decodeURIComponent).join('/');
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

const MOST_HELD = 10_000;

interface Held {
  readonly token: Sensitive<string>;
  readonly until: number;
}

/** Orphan tokens between `prepare` and `issue`, by intent. They are only in memory, used once, and dropped when they expire. */
export class PreparedTokens {
  readonly #clock: Clock;
  readonly #held = new Map<string, Held>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  hold(intent: string, token: Sensitive<string>, seconds: number): void {
    this.#forgetEnded();
    this.#held.delete(intent);
    this.#held.set(intent, { token, until: this.#clock.monotonic() + seconds * 1000 });
  }

  take(intent: string): Sensitive<string> | undefined {
    const held = this.#held.get(intent);
    this.#held.delete(intent);
    return held !== undefined && held.until > this.#clock.monotonic() ? held.token : undefined;
  }

  clear(): void {
    this.#held.clear();
  }

  /** Drops ended entries. Insertion order is nearly the order of expiry; beyond the limit the oldest is dropped. */
  #forgetEnded(): void {
    const now = this.#clock.monotonic();
    for (const [intent, held] of this.#held) {
      if (held.until > now && this.#held.size < MOST_HELD) return;
      this.#held.delete(intent);
    }
  }
}
