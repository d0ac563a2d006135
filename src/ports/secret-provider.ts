import type { Page, PageRequest } from '../domain/page.ts';
import type { SecretData, SecretListing, SecretVersion } from '../domain/secret.ts';
import type { Workload } from '../domain/workload.ts';
import type { CallContext } from './call-context.ts';
import type { PlanFragment } from './store.ts';

/**
 * A backend named in the configuration file, with its credential and its bounds: the only thing that knows a host.
 * Knows nothing of policy, audit or callers.
 */
export interface ProviderConnection {
  readonly name: string;
  readonly kind:
    'embedded' | 'vault' | 'aws-secrets-manager' | 'aws-iam' | 'kubernetes' | 'postgres' | 'mysql';
  /**
   * Attaches the provider for one mount. `options` are the mount document's, checked here strictly.
   * @throws ERR_BODY_INVALID with `problems`.
   */
  mount(options: unknown): SecretProvider;
  /** Cheap reachability and credential check. Reports what is wrong and what to do; never throws. */
  check(context: CallContext): Promise<CheckReport>;
}

export interface CheckReport {
  readonly healthy: boolean;
  /** One line a finding: what was tried, what came back (no secret, no token), what to do. */
  readonly findings: readonly string[];
}

/** One page of names. `cost`: what the page took at the backend, in reads; 1 where it is left out. */
export interface ListedPage extends Page<SecretListing> {
  readonly cost?: number;
}

/** One mount's view of a backend. Every failure is a BrokerError: ERR_NOT_FOUND or ERR_PROVIDER_*; nothing else escapes. */
export interface SecretProvider {
  /** The locators that any path of this mount can reach: a canonical locator prefix ending in `/`, or one exact locator. Two mounts' never overlap. */
  readonly covers: string;
  /**
   * Where the secret named `rest` (the path below the mount's prefix) is at the backend; canonical, each segment encoded, comparable with
   * the connection's bounds. `ref` is the exact reference of a definition, when there is one, and replaces `rest`.
   * @throws ERR_PATH_INVALID when the name cannot exist there; ERR_BODY_INVALID for a `ref` that is not of this provider.
   */
  locate(rest: string, ref?: unknown): string;
  /**
   * The inverse of `locate` without a `ref`: the name below the mount's prefix whose own place `ref` points to; undefined when no name has that
   * place. Never depends on what exists at the backend or in the mount's options. @throws ERR_BODY_INVALID for a `ref` that is not of this provider.
   */
  restOf(ref: unknown): string | undefined;
  /** @throws ERR_NOT_FOUND when absent, deleted or destroyed. `version` undefined asks for the current one. */
  read(locator: string, version: string | undefined, context: CallContext): Promise<SecretVersion>;
  /** Several current versions in as few calls as the backend allows; a failure is per item. Present where the backend has a batch call. */
  readMany?(
    locators: readonly string[],
    context: CallContext,
  ): Promise<readonly (SecretVersion | Error)[]>;
  /** Names below `prefix` (a `rest`, or '' for all) in name order. */
  list(prefix: string, page: PageRequest, context: CallContext): Promise<ListedPage>;
  /** Checks this mount: that its root exists, is readable and is what the options say. Reports, never throws. */
  check(context: CallContext): Promise<CheckReport>;
  readonly writes?: SecretWrites;
  /** Writing the value of a rotation; present where the broker's credential may be allowed to write at all. */
  readonly publishing?: SecretPublishing;
  readonly credentials?: DynamicCredentials;
}

/** Makes a rotated value the current one, at a backend or in our own store. */
export interface SecretPublishing {
  /**
   * Writes `data` as the new current version, whatever is current now. Idempotent by `token` (a rotation's id) or by content: a second call after
   * an unknown outcome finds the version that the first one made, and makes no other.
   * @throws ERR_NOT_FOUND where the backend makes no secret of that name by itself; ERR_PROVIDER_*.
   */
  publish(
    locator: string,
    data: SecretData,
    token: string,
    context: CallContext,
  ): Promise<PublishedVersion>;
}

export interface PublishedVersion {
  /** As `read` will give it; empty where the backend has no versions. */
  readonly version: string;
  /** Of our own store: nothing is written until it commits, together with what the broker records. */
  readonly fragment?: PlanFragment;
}

/** Writing, where the provider's state is in our own store: changes come back as parts of a plan, so that they commit with their audit entry. */
export interface SecretWrites {
  /** `ifVersion`: the current version as the caller knows it, `absent` to create only, undefined to replace whatever is there. */
  put(
    locator: string,
    data: SecretData,
    ifVersion: string | undefined,
    author: string,
  ): Promise<StagedWrite>;
  /** Deletes all of the secret (`versions` undefined) or destroys the named versions. @throws ERR_NOT_FOUND, ERR_VERSION_CONFLICT. */
  destroy(
    locator: string,
    versions: readonly string[] | undefined,
    ifVersion: string | undefined,
  ): Promise<StagedWrite>;
  /** Versions in descending order: state and times, never values. */
  versions(locator: string): Promise<readonly SecretVersionInfo[]>;
}

export interface StagedWrite {
  /** The version that is current once the plan commits; undefined when none is. */
  readonly version: string | undefined;
  readonly fragment: PlanFragment;
}

export interface SecretVersionInfo {
  readonly version: string;
  readonly state: 'current' | 'previous' | 'destroyed';
  readonly createdAt: number;
  readonly createdBy: string;
  readonly destroyedAt?: number;
}

export interface CredentialRequest {
  /** Unique; names at the backend are derived from it, so that the credential can be found again from the intent row alone. */
  readonly intentId: string;
  readonly locator: string;
  readonly workload: Workload;
  readonly ttlSeconds: number;
  /** The definition's `ref`, checked by `locate` when the definition was saved. */
  readonly ref: unknown;
}

/**
 * Credentials made to order. The handle is JSON text, holds no secret, and is committed by the broker after `begin` and after `prepare`,
 * before the next step runs: after a crash at any point `revoke(handle)` of the last committed handle leaves nothing behind.
 */
export interface DynamicCredentials {
  /** `expires-only`: cannot be revoked at the backend and is therefore short. */
  readonly revocation: 'revocable' | 'expires-only';
  /** The least that the backend lets one live, however little is asked for. */
  readonly shortestSeconds?: number;
  /** Pure: the handle from which whatever `prepare` makes can be found. */
  begin(request: CredentialRequest): string;
  /** Makes what the credential will hang on (an orphan token, an anchor Secret) and returns the handle that names it. */
  prepare(handle: string, context: CallContext): Promise<string>;
  issue(handle: string, context: CallContext): Promise<IssuedCredential>;
  /** Extends to `ttlSeconds` from now; returns the seconds granted. */
  renew(handle: string, ttlSeconds: number, context: CallContext): Promise<number>;
  /** Idempotent: revoking what is gone succeeds. */
  revoke(handle: string, context: CallContext): Promise<void>;
}

export interface IssuedCredential {
  readonly data: SecretData;
  /** Seconds the backend lets it live; never unlimited. */
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  /** Replaces the committed handle, where the backend gave a name of its own (a Vault lease id). */
  readonly handle: string;
}
