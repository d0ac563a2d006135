import { BrokerError } from '../errors.ts';

/** Texts that clients keep beside a secret. They outlive its versions, are shown to everyone who may list or read it, and are never secret. */
export type CustomMetadata = Readonly<Record<string, string>>;

/** Limits of one secret: those of the Vault HTTP API, so that its clients meet no others. */
export const MOST_METADATA_KEYS = 64;
export const METADATA_KEY_BYTES = 128;
export const METADATA_VALUE_BYTES = 512;

/** Custom metadata as it is stored. `version` counts its changes, from 1. */
export interface StoredMetadata {
  readonly version: number;
  readonly entries: CustomMetadata;
  readonly updatedAt: number;
  readonly updatedBy: string;
}

/** A change of custom metadata: a text sets a key, and null removes it. */
export interface MetadataChange {
  readonly entries: Readonly<Record<string, string | null>>;
  /** Removes every key that the change does not name. */
  readonly replaces: boolean;
  /** Version of the metadata that the caller expects; 0: there is none yet. Undefined: any. */
  readonly ifVersion: number | undefined;
}

/** The metadata after a change. @throws ERR_CONFLICT for too many keys */
export function changedMetadata(
  before: CustomMetadata,
  { entries, replaces }: MetadataChange,
): CustomMetadata {
  const next = new Map(replaces ? [] : Object.entries(before));
  for (const [key, value] of Object.entries(entries)) {
    if (value === null) next.delete(key);
    else next.set(key, value);
  }
  if (next.size > MOST_METADATA_KEYS) {
    throw new BrokerError(
      'ERR_CONFLICT',
      `custom metadata may have ${MOST_METADATA_KEYS} keys; it would have ${next.size}`,
    );
  }
  return Object.fromEntries([...next].sort(([one], [other]) => (one < other ? -1 : 1)));
}
