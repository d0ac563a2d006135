import { BrokerError } from '../../domain/errors.ts';
import type { MetadataChange } from '../../domain/secrets/custom-metadata.ts';
import type { Call, Caller } from '../access/call.ts';
import { versionsAt } from './secret-versions.ts';
import { authorOf, stage, type WritingParts } from './staged-change.ts';

export interface SecretDescription extends MetadataChange {
  readonly path: string;
  /** Refuses a path without versions and without custom metadata. */
  readonly refusesAbsent?: boolean;
  /** Refuses what the caller states about the secret and does not hold. */
  readonly check?: (secret: { readonly keepVersions: number }) => void;
}

/** Custom metadata after a change. */
export interface DescribedPath {
  readonly path: string;
  /** 0: there is none. */
  readonly metadataVersion: number;
}

/**
 * Changes the custom metadata of a secret, which may not have a version yet. Holders of the secret are not notified, because no value changes.
 * @throws ERR_DENIED, ERR_NOT_FOUND, ERR_VERSION_CONFLICT, ERR_CONFLICT (the mount is read-only, or too many keys)
 */
export async function describeSecret(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  { path, refusesAbsent = false, check, ...change }: SecretDescription,
): Promise<DescribedPath> {
  const staging = { parts, call, caller, path, action: 'secret.describe' } as const;
  const { metadataVersion } = await stage(staging, async (target) => {
    const { writes, locator } = target;
    check?.(writes);
    const { version, count, fragment } = await writes.metadata.change(
      locator,
      change,
      authorOf(caller),
    );
    if (refusesAbsent && (await writes.metadata.read(locator)) === undefined) {
      const versions = await versionsAt(target);
      if (versions.every(({ state }) => state === 'destroyed'))
        throw new BrokerError('ERR_NOT_FOUND');
    }
    return { version: String(version), metadataVersion: version, facts: { count }, fragment };
  });
  return { path, metadataVersion };
}
