/** A secret's value: keys to UTF-8 text, or to bytes as base64. Never empty of meaning: 1–256 keys. */
export type SecretData = Readonly<Record<string, string | { readonly base64: string }>>;

/** One version of a secret as a provider holds it. `version` is opaque to callers. */
export interface SecretVersion {
  readonly data: SecretData;
  readonly version: string;
  /** Milliseconds since the epoch, where the backend knows it. */
  readonly createdAt?: number;
}

/** What a list shows: names and versions, never values. */
export interface SecretListing {
  /** Below the mount's prefix, segments joined by `/`. */
  readonly name: string;
  readonly version?: string;
  /** Of a deleted secret: until then it can be restored, in milliseconds since the epoch. */
  readonly destroyAt?: number;
}

/** How a version was written. */
export const WRITE_METHODS = ['put', 'patch', 'rotate', 'import'] as const;
export type WriteMethod = (typeof WRITE_METHODS)[number];

/** What the writer of a version says about it. Bounded, shown with the versions, and never secret. */
export interface VersionNote {
  readonly comment?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}
