/** The value of a secret: keys to UTF-8 text, or to bytes as base64; 1 to 256 keys. */
export type SecretData = Readonly<Record<string, string | { readonly base64: string }>>;

/** One version of a secret as a provider holds it. `version` is opaque to callers. */
export interface SecretVersion {
  readonly data: SecretData;
  readonly version: string;
  /** Milliseconds since the epoch, if the backend knows it. */
  readonly createdAt?: number;
}

/** Entry of a list: names and versions, never values. */
export interface SecretListing {
  /** Path below the mount's prefix, segments joined by `/`. */
  readonly name: string;
  readonly version?: string;
  /** End of the time in which a deleted secret can be restored, in milliseconds since the epoch. */
  readonly destroyAt?: number;
}

/** Ways in which a version is written. */
export const WRITE_METHODS = ['put', 'patch', 'rotate', 'import'] as const;
export type WriteMethod = (typeof WRITE_METHODS)[number];

/** Remarks of the writer of a version. Bounded, shown with the versions, and never secret. */
export interface VersionNote {
  readonly comment?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}
