import { BrokerError } from '../../domain/errors.ts';
import type { SecretData, VersionNote, WriteMethod } from '../../domain/secrets/secret.ts';
import type { VersionOrigin } from '../../ports/secret-provider.ts';
import type { Call, Caller } from '../access/call.ts';
import type { Bounds } from '../state/dependencies.ts';
import { absentIfMissing, authorOf, stage, type WritingParts } from './staged-change.ts';

const MOST_KEYS = 256;

export interface SecretWrite {
  readonly path: string;
  readonly data: SecretData;
  /** The version that the caller expects to be current, or `absent`; undefined replaces any version. */
  readonly ifVersion?: string | undefined;
  /** Refuses to write a version without keys that the current version has. */
  readonly keepsKeys?: boolean;
  readonly note?: VersionNote;
  /** `import` is the caller's own statement; a put otherwise. */
  readonly method?: WriteMethod;
}

/** Changes of single keys: a value sets a key, null removes it, and all other keys stay. */
export type SecretPatch = Readonly<Record<string, SecretData[string] | null>>;

export interface SecretChange {
  readonly path: string;
  readonly changes: SecretPatch;
  readonly ifVersion?: string | undefined;
  /** Refuses to remove a key that the secret does not have. */
  readonly refusesAbsent?: boolean;
  readonly note?: VersionNote;
}

/** A version that was written. `rotates`: the next rotation of the path replaces it. */
export interface WrittenSecret {
  readonly path: string;
  readonly version: string;
  readonly rotates: boolean;
}

export interface SecretDeletion {
  readonly path: string;
  /** Versions of which one must be current; undefined deletes any version. */
  readonly ifVersions?: readonly string[] | undefined;
}

export interface SecretRestoration {
  readonly path: string;
  /** The version that becomes current; undefined: the one that was. */
  readonly version?: string | undefined;
  readonly among?: readonly string[];
}

export interface SecretDestruction {
  readonly path: string;
  readonly ifVersion?: string | undefined;
  /** Versions; undefined: the whole secret. */
  readonly versions?: readonly string[] | undefined;
}

/**
 * Writes a new version. @throws ERR_DENIED, ERR_NOT_FOUND, ERR_CONFLICT (the mount is read-only), ERR_VERSION_CONFLICT,
 * ERR_BODY_TOO_LARGE.
 */
export async function writeSecret(
  parts: WritingParts & Pick<Bounds, 'limits'>,
  call: Call,
  caller: Caller,
  write: SecretWrite,
): Promise<WrittenSecret> {
  const { path, data, ifVersion, keepsKeys = false, note, method = 'put' } = write;
  const origin = originOf(caller, method, note);
  const { version, rotates } = await stage(
    { parts, call, caller, path, action: 'secret.write' },
    async ({ writes, locator, current, mayList }) => {
      refuseTooLarge(parts, data);
      if (!keepsKeys) return writes.put(locator, data, ifVersion, origin);
      const found = await current().catch(absentIfMissing);
      if (ifVersion !== undefined && ifVersion !== (found?.version ?? 'absent')) {
        throw new BrokerError('ERR_VERSION_CONFLICT');
      }
      refuseDropped(Object.keys(found?.data ?? {}), data, mayList());
      // The version whose keys were compared must still be current when the write commits.
      const expected = ifVersion ?? found?.version ?? 'absent';
      return writes.put(locator, data, expected, origin);
    },
  );
  return { path, version: version ?? '', rotates };
}

/**
 * Writes a new version in which some keys are changed. The caller needs no right to read, and learns nothing of the other keys; the limit on
 * the size of a value applies to the whole secret. @throws as {@link writeSecret}, and ERR_NOT_FOUND without a current version
 */
export async function patchSecret(
  parts: WritingParts & Pick<Bounds, 'limits'>,
  call: Call,
  caller: Caller,
  { path, changes, ifVersion, refusesAbsent = false, note }: SecretChange,
): Promise<WrittenSecret> {
  const { version, rotates } = await stage(
    { parts, call, caller, path, action: 'secret.write' },
    async ({ writes, locator, current }) => {
      const found = await current();
      if (ifVersion !== undefined && ifVersion !== found.version) {
        throw new BrokerError('ERR_VERSION_CONFLICT');
      }
      if (refusesAbsent) refuseAbsentKeys(found.data, changes);
      const data = merged(found.data, changes);
      refuseTooLarge(parts, data);
      return writes.put(locator, data, found.version, originOf(caller, 'patch', note));
    },
  );
  return { path, version: version ?? '', rotates };
}

/** Names only keys that the caller named. @throws ERR_CONFLICT */
function refuseAbsentKeys(data: SecretData, changes: SecretPatch): void {
  const removed = Object.keys(changes).filter((key) => changes[key] === null);
  const absent = removed.filter((key) => !Object.hasOwn(data, key));
  if (absent.length === 0) return;
  const named = absent.map((key) => `"${key}"`).join(' and no key ');
  throw new BrokerError('ERR_CONFLICT', `the secret has no key ${named}`, {
    reason: 'absent_keys',
  });
}

/** RFC 7396 for one level. @throws ERR_CONFLICT if no key is left */
function merged(data: SecretData, changes: SecretPatch): SecretData {
  const next = new Map<string, SecretData[string]>(Object.entries(data));
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) next.delete(key);
    else next.set(key, value);
  }
  if (next.size === 0) {
    throw new BrokerError('ERR_CONFLICT', 'no key would be left; delete the secret instead');
  }
  if (next.size > MOST_KEYS) {
    throw new BrokerError('ERR_CONFLICT', `a secret may have ${MOST_KEYS} keys`);
  }
  return Object.fromEntries(next);
}

/** Names the keys only to a caller that may list the secret. @throws ERR_CONFLICT */
function refuseDropped(keys: readonly string[], data: SecretData, mayList: boolean): void {
  const dropped = keys.filter((key) => !Object.hasOwn(data, key));
  if (dropped.length === 0) return;
  const named = mayList ? `: ${dropped.sort().join(', ')}` : '';
  const count = dropped.length === 1 ? '1 key' : `${dropped.length} keys`;
  throw new BrokerError('ERR_CONFLICT', `the new version would drop ${count}${named}`, {
    reason: 'drops_keys',
  });
}

function refuseTooLarge({ limits }: Pick<Bounds, 'limits'>, data: SecretData): void {
  const size = Buffer.byteLength(JSON.stringify(data));
  if (size <= limits.maxValueBytes) return;
  throw new BrokerError(
    'ERR_BODY_TOO_LARGE',
    `the secret has ${size} bytes as JSON; the limit is ${limits.maxValueBytes} (limits.maxValueBytes)`,
  );
}

/**
 * Makes a secret absent. It can be restored until the returned time; undefined: its mount keeps no deleted secrets, and the versions are destroyed.
 * @throws as {@link writeSecret}
 */
export async function deleteSecret(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  { path, ifVersions }: SecretDeletion,
): Promise<number | undefined> {
  const staging = { parts, call, caller, path, action: 'secret.delete' } as const;
  const { destroyAt } = await stage(staging, async ({ writes, locator }) => {
    const staged = await writes.delete(locator, ifVersions);
    return { ...staged, facts: { endsAt: staged.destroyAt } };
  });
  return destroyAt;
}

/**
 * Restores a deleted secret, and returns its current version. It changes nothing if the secret is not deleted. `among`: the versions of which one must
 * become current, so that a caller that restores old versions does not change what readers get.
 * @throws as {@link writeSecret}, and ERR_CONFLICT if another version than the named ones is current
 */
export async function undeleteSecret(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  { path, version, among }: SecretRestoration,
): Promise<WrittenSecret> {
  const staging = { parts, call, caller, path, action: 'secret.undelete' } as const;
  const restored = await stage(staging, async ({ writes, locator }) => {
    const staged = await writes.undelete(locator, version);
    if (among?.includes(staged.version ?? '') === false) {
      throw new BrokerError(
        'ERR_CONFLICT',
        `all versions are restored together, and version ${staged.version} is then current; name it too`,
      );
    }
    return staged;
  });
  return { path, version: restored.version ?? '', rotates: restored.rotates };
}

/** Destroys a secret or some of its versions permanently, deleted ones included. @throws as {@link writeSecret} */
export async function destroySecret(
  parts: WritingParts,
  call: Call,
  caller: Caller,
  destruction: SecretDestruction,
): Promise<void> {
  const { path, versions, ifVersion } = destruction;
  await stage({ parts, call, caller, path, action: 'secret.destroy' }, ({ writes, locator }) =>
    writes.destroy(locator, versions, ifVersion),
  );
}

function originOf(caller: Caller, method: WriteMethod, note: VersionNote = {}): VersionOrigin {
  return { author: authorOf(caller), method, ...note };
}
