import type { Page, PageRequest } from '../domain/page.ts';
import type {
  SecretData,
  SecretListing,
  SecretVersion,
  VersionNote,
  WriteMethod,
} from '../domain/secrets/secret.ts';
import type { MetadataChange, StoredMetadata } from '../domain/secrets/custom-metadata.ts';
import type { Workload } from '../domain/identity/workload.ts';
import type { CallContext } from './call-context.ts';
import type { PlanFragment } from './store.ts';

/**
 * A backend from the configuration file, with its credential and its locators. Only a connection knows a host. It knows no policy, audit or callers.
 */
export interface ProviderConnection {
  readonly name: string;
  /** The `type` of the connection in the configuration file; `embedded` for the broker's own store. */
  readonly kind: string;
  /** Attaches the provider for one mount. It validates the `options` of the mount document strictly. @throws ERR_BODY_INVALID with `problems`. */
  mount(options: unknown): SecretProvider;
  /** Checks reachability and the credential at low cost. It reports what is wrong and what to do, and never throws. */
  check(context: CallContext): Promise<CheckReport>;
  /** Stages the destruction of deleted secrets whose `destroyAt` has passed. Present if the provider keeps deleted secrets in the broker's store. */
  overdueDeletions?(limit: number): Promise<readonly OverdueDeletion[]>;
}

export interface CheckReport {
  readonly healthy: boolean;
  /** One line per finding: the attempt, the result (no secret, no token) and the next action. */
  readonly findings: readonly string[];
}

/** One page of names. `cost`: the page's cost at the backend in reads; the default is 1. */
export interface ListedPage extends Page<SecretListing> {
  readonly cost?: number;
}

/** One mount's view of a backend. Every failure is a BrokerError: ERR_NOT_FOUND or ERR_PROVIDER_*. */
export interface SecretProvider {
  /**
   * The locators that paths of this mount can reach: a canonical locator prefix ending in `/`, or one exact locator. The values of two mounts never
   * overlap.
   */
  readonly covers: string;
  /**
   * The locator of the secret `rest` (the path below the mount's prefix) at the backend. It is canonical, with each segment encoded, so the broker
   * can compare it with the connection's locators. `ref` is the exact reference of a definition, if there is one, and replaces `rest`.
   * @throws ERR_PATH_INVALID if the name cannot exist there; ERR_BODY_INVALID if `ref` does not belong to this provider.
   */
  locate(rest: string, ref?: unknown): string;
  /**
   * The inverse of `locate` without a `ref`: returns the name below the mount's prefix whose own locator is `ref`. Returns undefined if no name has
   * that locator. The result never depends on what exists at the backend or in the mount's options.
   * @throws ERR_BODY_INVALID if `ref` does not belong to this provider.
   */
  restOf(ref: unknown): string | undefined;
  /** Reads one version; `version` undefined means the current one. @throws ERR_NOT_FOUND if it is absent, deleted or destroyed. */
  read(locator: string, version: string | undefined, context: CallContext): Promise<SecretVersion>;
  /** Reads several current versions in as few calls as the backend allows. Each item fails by itself. Present if the backend has a batch call. */
  readMany?(
    locators: readonly string[],
    context: CallContext,
  ): Promise<readonly (SecretVersion | Error)[]>;
  /** Lists names below `prefix` (a `rest`, or '' for all) in name order. */
  list(prefix: string, page: PageRequest, context: CallContext): Promise<ListedPage>;
  /** Lists deleted secrets that can be restored, with the parameters of `list`. Present if the provider keeps them. */
  listDeleted?(prefix: string, page: PageRequest, context: CallContext): Promise<ListedPage>;
  /** Checks that the root of this mount exists, is readable and matches the options. It reports problems and never throws. */
  check(context: CallContext): Promise<CheckReport>;
  readonly writes?: SecretWrites;
  /** Publishes rotated values. Present if the broker's credential may have write access. */
  readonly publishing?: SecretPublishing;
  readonly credentials?: DynamicCredentials;
}

/** Makes a rotated value the current version, at a backend or in the broker's store. */
export interface SecretPublishing {
  /**
   * Writes `data` as the new current version, whatever version is current now. It is idempotent by `token` (a rotation's id) or by content. A second
   * call after an unknown outcome finds the version of the first call and creates no other.
   * @throws ERR_NOT_FOUND if the backend does not create a secret of that name by itself; ERR_PROVIDER_*.
   */
  publish(
    locator: string,
    data: SecretData,
    token: string,
    context: CallContext,
  ): Promise<PublishedVersion>;
}

export interface PublishedVersion {
  /** The version that `read` will return; empty if the backend has no versions. */
  readonly version: string;
  /** Set for the broker's own store. The write happens when this fragment commits, together with the broker's records. */
  readonly fragment?: PlanFragment;
}

/**
 * Write operations of a provider with its state in the broker's store. Changes are returned as plan fragments, so that they commit with their audit
 * entry.
 */
export interface SecretWrites {
  /** Number of readable versions of each secret: a new version destroys the oldest beyond it. */
  readonly keepVersions: number;
  readonly metadata: SecretMetadata;
  /** `ifVersion`: the current version that the caller expects, `absent` to create only, undefined to replace any version. */
  put(
    locator: string,
    data: SecretData,
    ifVersion: string | undefined,
    origin: VersionOrigin,
  ): Promise<StagedWrite>;
  /**
   * Makes the whole secret absent, if one of `ifVersions` is current or it is undefined. `undelete` restores the secret until `destroyAt`.
   * @throws ERR_NOT_FOUND, ERR_VERSION_CONFLICT.
   */
  delete(locator: string, ifVersions: readonly string[] | undefined): Promise<StagedDeletion>;
  /**
   * Restores the versions of a deleted secret, and makes `version` current, or the one that was. It never replaces a current version, and changes
   * nothing if the secret is not deleted. @throws ERR_NOT_FOUND, ERR_CONFLICT.
   */
  undelete(locator: string, version: string | undefined): Promise<StagedWrite>;
  /** Destroys the whole secret with its custom metadata (`versions` undefined), or the named versions, deleted ones included. @throws ERR_NOT_FOUND, ERR_VERSION_CONFLICT. */
  destroy(
    locator: string,
    versions: readonly string[] | undefined,
    ifVersion: string | undefined,
  ): Promise<StagedWrite>;
  /** Lists versions in descending order with state and times, never values. */
  versions(locator: string): Promise<readonly SecretVersionInfo[]>;
}

/** Custom metadata of secrets. It may exist before the first version, and ends with the last one. */
export interface SecretMetadata {
  /** Undefined if there is none. */
  read(locator: string): Promise<StoredMetadata | undefined>;
  /** Stages a change. It writes nothing if the metadata is as wanted already. @throws ERR_VERSION_CONFLICT, ERR_CONFLICT. */
  change(locator: string, change: MetadataChange, author: string): Promise<StagedMetadata>;
}

export interface StagedMetadata {
  /** Version of the metadata once the plan commits; 0 if there is none. */
  readonly version: number;
  /** Number of its keys. */
  readonly count: number;
  readonly fragment: PlanFragment;
}

export interface StagedWrite {
  /** The current version once the plan commits; undefined if there is none. */
  readonly version: string | undefined;
  readonly fragment: PlanFragment;
}

export interface StagedDeletion extends StagedWrite {
  /** Time at which the deleted versions are destroyed, in milliseconds since the epoch. Undefined: the deletion destroys them. */
  readonly destroyAt: number | undefined;
}

/** The author of a version, and what the author said about it. Shown to everyone who may list the secret; never a secret. */
export interface VersionOrigin extends VersionNote {
  readonly author: string;
  readonly method: WriteMethod;
}

export interface SecretVersionInfo extends VersionNote {
  readonly version: string;
  readonly state: 'current' | 'previous' | 'deleted' | 'destroyed';
  readonly createdAt: number;
  readonly createdBy: string;
  /** Undefined for versions of earlier releases. */
  readonly method?: WriteMethod;
  /** Time at which a deleted version is destroyed, in milliseconds since the epoch. */
  readonly destroyAt?: number;
  readonly destroyedAt?: number;
}

/** A secret whose time for `undelete` is over. */
export interface OverdueDeletion {
  readonly path: string;
  /** Number of versions that the fragment destroys. */
  readonly count: number;
  readonly fragment: PlanFragment;
}

export interface CredentialRequest {
  /** Unique. Names at the backend derive from it, so that the broker can find the credential from the intent row alone. */
  readonly intentId: string;
  readonly locator: string;
  readonly workload: Workload;
  readonly ttlSeconds: number;
  /** The definition's `ref`, which `locate` checked when the definition was saved. */
  readonly ref: unknown;
}

/**
 * Issues dynamic credentials. The handle is JSON text without any secret. The broker commits it after `begin` and after `prepare`, before the next
 * step runs. After a crash at any point, `revoke(handle)` with the last committed handle leaves nothing behind.
 */
export interface DynamicCredentials {
  /** `expires-only`: the backend cannot revoke it, so its lifetime is short. */
  readonly revocation: 'revocable' | 'expires-only';
  /** The shortest lifetime that the backend allows, even if the caller requests less. */
  readonly shortestSeconds?: number;
  /** Returns the handle that finds whatever `prepare` creates. Pure. */
  begin(request: CredentialRequest): string;
  /** Creates the parent object of the credential (an orphan token, an anchor Secret) and returns the handle that names it. */
  prepare(handle: string, context: CallContext): Promise<string>;
  issue(handle: string, context: CallContext): Promise<IssuedCredential>;
  /** Extends the lifetime to `ttlSeconds` from now, and returns the seconds granted. */
  renew(handle: string, ttlSeconds: number, context: CallContext): Promise<number>;
  /** Idempotent: succeeds if the credential no longer exists. */
  revoke(handle: string, context: CallContext): Promise<void>;
}

export interface IssuedCredential {
  readonly data: SecretData;
  /** The lifetime that the backend granted, in seconds; never unlimited. */
  readonly ttlSeconds: number;
  readonly renewable: boolean;
  /** Replaces the committed handle if the backend assigned its own name (a Vault lease id). */
  readonly handle: string;
}
