import type { BrokerError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { toBrokerError } from './broker-error.ts';
import { logIn, parseGrant, type Grant, type LoginAuth } from './login.ts';
import type { HeldToken, TokenSource } from './token-source.ts';
import type { VaultWire } from './transport.ts';

/** No second login within this time, whatever is refused: a path that the broker may not read must not become a login per read. */
const LOGIN_PAUSE_MS = 10_000;
const FAILURE_PAUSE_MS = 1000;
const RENEWAL_POINT = 2 / 3;
const JITTER = 0.1;
const CLOSE_MS = 1000;

interface Lease extends HeldToken {
  readonly obtainedAt: number;
  readonly loginSeconds: number;
  readonly renewable: boolean;
  renewAt: number;
  endsAt: number;
}

export interface LoginParts {
  readonly clock: Clock;
  /** Uniform in [0, 1): replicas that started together do not renew together. */
  readonly random: () => number;
}

/** A token by login: renewed from two thirds of its life on, replaced when it cannot be; one login at a time. */
export class LoginTokens implements TokenSource {
  readonly #wire: VaultWire;
  readonly #auth: LoginAuth;
  readonly #timeoutMs: number;
  readonly #parts: LoginParts;
  #lease: Lease | undefined;
  #login: Promise<Lease> | undefined;
  #renewing = false;
  #failure: { readonly error: BrokerError; readonly until: number } | undefined;

  constructor(wire: VaultWire, auth: LoginAuth, timeoutMs: number, parts: LoginParts) {
    this.#wire = wire;
    this.#auth = auth;
    this.#timeoutMs = timeoutMs;
    this.#parts = parts;
  }

  async current(): Promise<HeldToken> {
    const lease = this.#lease;
    const now = this.#parts.clock.monotonic();
    if (lease === undefined || now >= lease.endsAt) return this.#logIn();
    if (now >= lease.renewAt && !this.#renewing) void this.#renew(lease);
    return lease;
  }

  async replacement(refused: HeldToken): Promise<HeldToken | undefined> {
    const lease = this.#lease;
    if (lease !== undefined && lease !== refused) return lease;
    const age = this.#parts.clock.monotonic() - (lease?.obtainedAt ?? Number.NEGATIVE_INFINITY);
    return age < LOGIN_PAUSE_MS ? undefined : this.#logIn();
  }

  async close(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    const request = { method: 'POST', path: 'auth/token/revoke-self' } as const;
    await this.#within(CLOSE_MS, (signal) => this.#wire.send(request, lease.value, signal)).catch(
      () => undefined,
    );
  }

  #logIn(): Promise<Lease> {
    const failure = this.#failure;
    if (failure !== undefined && this.#parts.clock.monotonic() < failure.until) {
      return Promise.reject(failure.error);
    }
    this.#login ??= this.#obtain().finally(() => (this.#login = undefined));
    return this.#login;
  }

  async #obtain(): Promise<Lease> {
    try {
      const work = (signal: AbortSignal): Promise<Grant> => logIn(this.#wire, this.#auth, signal);
      const grant = await this.#within(this.#timeoutMs, work);
      this.#failure = undefined;
      this.#lease = this.#hold(grant);
      return this.#lease;
    } catch (cause) {
      const error = toBrokerError(cause);
      this.#failure = { error, until: this.#parts.clock.monotonic() + FAILURE_PAUSE_MS };
      throw error;
    }
  }

  /** In the background of calls that still use the old token; a failure is tried again a moment later, and shows at the latest when the token ends. */
  async #renew(lease: Lease): Promise<void> {
    this.#renewing = true;
    try {
      if (!lease.renewable || !(await this.#extend(lease))) await this.#logIn();
    } catch {
      lease.renewAt = this.#parts.clock.monotonic() + LOGIN_PAUSE_MS;
    } finally {
      this.#renewing = false;
    }
  }

  /** False when the token is close to the end that no renewal passes. */
  async #extend(lease: Lease): Promise<boolean> {
    const request = { method: 'POST', path: 'auth/token/renew-self', body: {} } as const;
    const grant = await this.#within(this.#timeoutMs, async (signal) =>
      parseGrant(await this.#wire.send(request, lease.value, signal)),
    ).catch(() => undefined);
    if (grant === undefined || grant.seconds < lease.loginSeconds / 2) return false;
    const { renewAt, endsAt } = this.#times(grant.seconds);
    Object.assign(lease, { renewAt, endsAt });
    return true;
  }

  #hold(grant: Grant): Lease {
    return {
      value: grant.value,
      renewable: grant.renewable,
      loginSeconds: grant.seconds,
      obtainedAt: this.#parts.clock.monotonic(),
      ...this.#times(grant.seconds),
    };
  }

  #times(seconds: number): { renewAt: number; endsAt: number } {
    const now = this.#parts.clock.monotonic();
    const share = RENEWAL_POINT * (1 - JITTER * this.#parts.random());
    return { renewAt: now + seconds * 1000 * share, endsAt: now + seconds * 1000 };
  }

  /** A login serves every caller that waits for it, so no caller's deadline ends it. */
  async #within<T>(ms: number, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const controller = new AbortController();
    const cancel = this.#parts.clock.after(ms, () => controller.abort());
    try {
      return await work(controller.signal);
    } finally {
      cancel();
    }
  }
}
