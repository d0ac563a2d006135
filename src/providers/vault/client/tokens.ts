import { Sensitive } from '../../../domain/secrets/sensitive.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { Clock } from '../../../ports/clock.ts';
import { toBrokerError } from '../errors.ts';
import type { VaultRequest, VaultWire } from './transport.ts';
import * as z from 'zod';
import type { VaultAuth } from '../config.ts';
import { open } from 'node:fs/promises';

/** A token in use. Two tokens are equal only if they are the same object. */
export interface CurrentToken {
  readonly value: Sensitive<string>;
}

/** The source of the connection's own token. */
export interface TokenSource {
  /**
   * @throws ERR_PROVIDER_UNAVAILABLE (reason `credential_file`), ERR_PROVIDER_DENIED (reason `login_refused`), or the reason why the login
   * failed.
   */
  current(): Promise<CurrentToken>;
  /** Gets another token, after the server refused this one; undefined if there is none, or the last login was too recent. */
  replacement(refused: CurrentToken): Promise<CurrentToken | undefined>;
  /** Revokes the token that it obtained. Never throws. */
  close(): Promise<void>;
}

/** Time without a second login, whatever the server refuses: a path that the broker may not read must not cause a login per read. */
const LOGIN_PAUSE_MS = 10_000;
const FAILURE_PAUSE_MS = 1000;
const RENEWAL_POINT = 2 / 3;
const JITTER = 0.1;
const CLOSE_MS = 1000;

interface Lease extends CurrentToken {
  readonly obtainedAt: number;
  readonly loginSeconds: number;
  readonly renewable: boolean;
  renewAt: number;
  endsAt: number;
}

export interface LoginParts {
  readonly clock: Clock;
  /** Uniform in [0, 1): replicas that started together must not renew together. */
  readonly random: () => number;
}

/** A token from a login. It is renewed after two thirds of its lifetime, and replaced if it cannot be renewed. One login runs at a time. */
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

  async current(): Promise<CurrentToken> {
    const lease = this.#lease;
    const now = this.#parts.clock.monotonic();
    if (lease === undefined || now >= lease.endsAt) return this.#logIn();
    if (now >= lease.renewAt && !this.#renewing) void this.#renew(lease);
    return lease;
  }

  async replacement(refused: CurrentToken): Promise<CurrentToken | undefined> {
    const lease = this.#lease;
    if (lease !== undefined && lease !== refused) return lease;
    const age = this.#parts.clock.monotonic() - (lease?.obtainedAt ?? Number.NEGATIVE_INFINITY);
    return age < LOGIN_PAUSE_MS ? undefined : this.#logIn();
  }

  async close(): Promise<void> {
    const lease = this.#lease;
    this.#lease = undefined;
    if (lease === undefined) return;
    const request = { verb: 'tokenRevokeSelf' } as const;
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

  /**
   * Runs in the background while calls still use the old token. A failure is retried later, and surfaces at the latest when the token
   * expires.
   */
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

  /** False if the token is close to the maximum lifetime that no renewal exceeds. */
  async #extend(lease: Lease): Promise<boolean> {
    const request = { verb: 'tokenRenewSelf' } as const;
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

  /** Runs a login that serves every caller waiting for it; no caller's deadline ends it. */
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

const TEN_YEARS = 315_360_000;

const answerSchema = z.object({
  auth: z.object({
    client_token: z.string(),
    lease_duration: z.int().min(1).max(TEN_YEARS),
    renewable: z.boolean(),
  }),
});

/** The result of a login or a renewal. `value` is empty after a renewal. */
export interface Grant {
  readonly value: Sensitive<string>;
  readonly seconds: number;
  readonly renewable: boolean;
}

/** The methods that log in; the other method reads a token from a file. */
export type LoginAuth = Exclude<VaultAuth, { method: 'token' }>;

/** Logs in with credentials that are read now. @throws ERR_PROVIDER_DENIED (reason `login_refused`), ERR_PROVIDER_*. */
async function logIn(wire: VaultWire, auth: LoginAuth, signal: AbortSignal): Promise<Grant> {
  const request = await loginRequest(auth);
  try {
    return parseGrant(await wire.send(request, undefined, signal));
  } catch (error) {
    throw isRefusal(error)
      ? new BrokerError('ERR_PROVIDER_DENIED', undefined, { cause: error, reason: 'login_refused' })
      : error;
  }
}

/** @throws ERR_PROVIDER_MALFORMED if the token has no expiry: a broker's token always has one. */
function parseGrant(answer: unknown): Grant {
  const parsed = answerSchema.safeParse(answer);
  if (!parsed.success) {
    throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'login_answer' });
  }
  const { client_token: token, lease_duration: seconds, renewable } = parsed.data.auth;
  return { value: new Sensitive(token), seconds, renewable };
}

async function loginRequest(auth: LoginAuth): Promise<VaultRequest> {
  const { mount: mount_point } = auth;
  if (auth.method === 'approle') {
    const secretId = await readCredentialFile(auth.secretIdFile);
    const args = { mount_point, role_id: auth.roleId, secret_id: secretId.reveal() };
    return { verb: 'approleLogin', args };
  }
  const token = await readCredentialFile(auth.tokenFile);
  const body = { role: auth.role, jwt: token.reveal() };
  if (auth.method === 'kubernetes')
    return { verb: 'kubernetesLogin', args: { mount_point, ...body } };
  return { method: 'POST', path: `auth/${mount_point}/login`, body };
}

function isRefusal(error: unknown): boolean {
  if (!(error instanceof BrokerError)) return false;
  return (
    error.code === 'ERR_PROVIDER_DENIED' ||
    error.code === 'ERR_NOT_FOUND' ||
    (error.code === 'ERR_PROVIDER_FAILED' && ['refused', 'no_engine'].includes(error.reason ?? ''))
  );
}

const FRESH_MS = 1000;

/**
 * A token that an agent or an operator renews in a file. A change is read within a second, and at once if the server refuses the old token.
 */
export class FileTokens implements TokenSource {
  readonly #path: string;
  readonly #clock: Clock;
  #held: CurrentToken | undefined;
  #readAt = 0;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  async current(): Promise<CurrentToken> {
    const isFresh = this.#clock.monotonic() - this.#readAt < FRESH_MS;
    return this.#held !== undefined && isFresh ? this.#held : this.#read();
  }

  async replacement(refused: CurrentToken): Promise<CurrentToken | undefined> {
    const token = await this.#read();
    return token === refused ? undefined : token;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #read(): Promise<CurrentToken> {
    const value = await readCredentialFile(this.#path);
    this.#readAt = this.#clock.monotonic();
    if (this.#held === undefined || this.#held.value.reveal() !== value.reveal()) {
      this.#held = { value };
    }
    return this.#held;
  }
}

const MOST_BYTES = 65_536;
const PRINTABLE = /^[\x21-\x7e]+$/;

/** A token, secret id or JWT in a file, without surrounding white space. @throws ERR_PROVIDER_UNAVAILABLE, reason `credential_file`. */
async function readCredentialFile(path: string): Promise<Sensitive<string>> {
  const text = (await readSmall(path)).trim();
  // A line break or other control character would end the header that carries the token.
  if (!PRINTABLE.test(text)) throw unusable(new Error(`${path} holds no credential`));
  return new Sensitive(text);
}

async function readSmall(path: string): Promise<string> {
  const file = await open(path, 'r').catch(failUnusable);
  try {
    const buffer = Buffer.alloc(MOST_BYTES + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, 0).catch(failUnusable);
    if (bytesRead > MOST_BYTES) throw unusable(new Error(`${path} is too long for a credential`));
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file.close();
  }
}

function unusable(cause: unknown): BrokerError {
  const options = { cause, reason: 'credential_file' };
  return new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, options);
}

function failUnusable(cause: unknown): never {
  throw unusable(cause);
}
