import { encryptValue } from '../../../crypto/encryption/envelope.ts';
import { randomId } from '../../../crypto/random/random.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secrets/secret.ts';
import type {
  OverdueDeletion,
  SecretVersionInfo,
  SecretWrites,
  StagedDeletion,
  StagedWrite,
  VersionOrigin,
} from '../../../ports/secret-provider.ts';
import { SECRETS } from '../../../ports/queries.ts';
import type { Expectation, PlanFragment, Write } from '../../../ports/store.ts';
import { type EmbeddedOptions, HISTORY_LENGTH } from '../config.ts';
import { EmbeddedMetadata } from './custom-metadata.ts';
import {
  EmbeddedSecrets,
  type EmbeddedParts,
  type VersionRow,
  expectHead,
  isDeleted,
  NOT_DELETED,
  signHead,
  type SecretHead,
  verifyHead,
} from './rows.ts';
import { encodeSecret } from './secret-text.ts';
import { describeVersion, metadataText } from './version-metadata.ts';

/** Stages writes. They take effect when the broker commits the fragment with its audit entry. */
export class EmbeddedWrites implements SecretWrites {
  readonly metadata: EmbeddedMetadata;
  readonly #parts: EmbeddedParts;
  readonly #secrets: EmbeddedSecrets;
  readonly #options: Pick<EmbeddedOptions, 'keepVersions' | 'undeleteWindow'>;

  constructor(
    parts: EmbeddedParts,
    secrets: EmbeddedSecrets,
    options: Pick<EmbeddedOptions, 'keepVersions' | 'undeleteWindow'>,
  ) {
    this.metadata = new EmbeddedMetadata(parts);
    this.#parts = parts;
    this.#secrets = secrets;
    this.#options = options;
  }

  get keepVersions(): number {
    return this.#options.keepVersions;
  }

  async put(
    path: string,
    data: SecretData,
    ifVersion: string | undefined,
    origin: VersionOrigin,
  ): Promise<StagedWrite> {
    const head = await this.#secrets.head(path);
    refuseUnlessCurrent(head, ifVersion);
    if (head !== undefined) await this.#secrets.refuseRolledBack(head);
    const id = head?.id ?? randomId('sec');
    const version = (head?.last_version ?? 0) + 1;
    const now = this.#parts.clock.now();
    const next = signed(this.#parts, {
      path,
      id,
      ...NOT_DELETED,
      ...(head !== undefined && keptDeletion(head, version - this.#options.keepVersions)),
      last_version: version,
      current_version: version,
    });
    const put: Write = {
      table: 'secret_versions',
      put: {
        ...this.#encrypt(next, version, data),
        created_at: now,
        created_by: origin.author,
        destroyed_at: null,
        metadata: metadataText(origin),
      },
    };
    return {
      version: String(version),
      fragment: {
        expect: [expectHead(path, head), expectUnused(id, version)],
        writes: [{ table: 'secrets', put: next }, put, ...(await this.#retire(head, version))],
        invalidates: [`secret:${path}`],
      },
    };
  }

  async delete(path: string, ifVersions: readonly string[] | undefined): Promise<StagedDeletion> {
    const { undeleteWindow } = this.#options;
    const { head, live } = await this.#findLive(path);
    if (!live.some(({ version }) => !isDeleted(head, version))) {
      throw new BrokerError('ERR_NOT_FOUND');
    }
    refuseUnlessCurrent(head, ...(ifVersions ?? [undefined]));
    if (undeleteWindow === 0) {
      const removal = await this.metadata.removal(path);
      return { ...destroyed(this.#parts, { head, live, removal }, live), destroyAt: undefined };
    }
    const destroyAt = this.#parts.clock.now() + undeleteWindow;
    const staged = changed(this.#parts, head, {
      current_version: null,
      deleted_version: head.current_version ?? head.deleted_version,
      deleted_through: head.last_version,
      destroy_at: destroyAt,
    });
    return { ...staged, destroyAt };
  }

  async undelete(path: string, version: string | undefined): Promise<StagedWrite> {
    const { head, live } = await this.#findLive(path);
    const isOver = (head.destroy_at ?? 0) <= this.#parts.clock.now();
    const deleted = live.filter((row) => !isOver && isDeleted(head, row.version));
    const wanted = version === undefined ? undefined : parseVersion(version);
    const restored = versionToRestore(head, deleted, wanted);
    if (deleted.length === 0) return unchanged(head);
    return changed(this.#parts, head, { ...NOT_DELETED, current_version: restored });
  }

  async destroy(
    path: string,
    versions: readonly string[] | undefined,
    ifVersion: string | undefined,
  ): Promise<StagedWrite> {
    const removal = await this.metadata.removal(path);
    const found = await this.#find(path);
    if (found === undefined) {
      // Custom metadata may exist without any version.
      if (versions !== undefined || removal.writes.length === 0)
        throw new BrokerError('ERR_NOT_FOUND');
      refuseUnlessCurrent(undefined, ifVersion);
      return { version: undefined, fragment: removal };
    }
    refuseUnlessCurrent(found.head, ifVersion);
    const doomed = versions === undefined ? found.live : select(found.live, versions);
    return destroyed(this.#parts, { ...found, removal }, doomed);
  }

  async versions(path: string): Promise<readonly SecretVersionInfo[]> {
    const head = await this.#secrets.head(path);
    if (head === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return (await this.#secrets.history(head)).map((row) => describeVersion(row, head));
  }

  /** @throws ERR_NOT_FOUND if no version is left, deleted ones included. */
  async #findLive(path: string): Promise<Found> {
    const found = await this.#find(path);
    if (found === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return found;
  }

  /** Undefined if no version is left, deleted ones included. */
  async #find(path: string): Promise<Found | undefined> {
    const head = await this.#secrets.head(path);
    if (head === undefined) return undefined;
    const live = (await this.#secrets.history(head)).filter(isLive);
    if (live.length === 0) return undefined;
    await this.#secrets.refuseRolledBack(head);
    return { head, live };
  }

  #encrypt(head: SecretHead, version: number, data: SecretData): EncryptedRow {
    const plaintext = encodeSecret(data);
    const place = this.#secrets.place(head, version);
    const encrypted = encryptValue(this.#parts.keyring.active, place, plaintext);
    plaintext.fill(0);
    return {
      secret_id: head.id,
      version,
      root_key_id: encrypted.rootKeyId,
      wrapped_dek: encrypted.wrappedDek,
      ciphertext: encrypted.ciphertext,
    };
  }

  /** Destroys the value that `version` pushes beyond the kept values, and deletes the tombstone that it pushes out of the history. */
  async #retire(head: SecretHead | undefined, version: number): Promise<readonly Write[]> {
    if (head === undefined) return [];
    const rows = await this.#secrets.history(head, version - this.#options.keepVersions);
    const now = this.#parts.clock.now();
    const writes: Write[] = rows.filter(isLive).map((row) => tombstone(row, now));
    const forgotten = version - HISTORY_LENGTH;
    if (forgotten > 0) {
      writes.push({
        table: 'secret_versions',
        remove: { secret_id: head.id, version: forgotten },
      });
    }
    return writes;
  }
}

/**
 * Stages the destruction of versions that were deleted and not restored in time. Versions written since the deletion stay. A head
 * that does not verify stops no other deletion of the round; the state digest of its table reports it.
 */
export async function overdueDeletions(
  parts: EmbeddedParts,
  limit: number,
): Promise<readonly OverdueDeletion[]> {
  const secrets = new EmbeddedSecrets(parts);
  const metadata = new EmbeddedMetadata(parts);
  const rows = await parts.store.list(SECRETS.overdue(parts.clock.now()), { limit });
  const staged = await Promise.all(
    rows.map(async (row) => {
      const head = readable(() => verifyHead(parts.keyring, row));
      if (head === undefined) return [];
      const history = await secrets.history(head, head.deleted_through ?? 0);
      const live = history.filter(isLive);
      // Versions that were written since the deletion keep the custom metadata.
      const isWhole = head.last_version === head.deleted_through;
      const removal = isWhole ? await metadata.removal(head.path) : undefined;
      const { fragment } = destroyed(parts, { head, live, removal }, live);
      // No caller could read these versions since the deletion, so no cache and no holder has them.
      const invalidates = removal?.invalidates ?? [];
      return [{ path: head.path, count: live.length, fragment: { ...fragment, invalidates } }];
    }),
  );
  return staged.flat();
}

function readable<T>(verify: () => T): T | undefined {
  try {
    return verify();
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
    throw error;
  }
}

interface Found {
  readonly head: SecretHead;
  readonly live: readonly VersionRow[];
}

function signed(parts: EmbeddedParts, fields: Omit<SecretHead, 'mac' | 'updated_at'>): SecretHead {
  return signHead(parts.keyring.active, { ...fields, updated_at: parts.clock.now() });
}

/** Stages another head without a change of versions. */
function changed(
  parts: EmbeddedParts,
  head: SecretHead,
  change: Partial<Omit<SecretHead, 'mac' | 'updated_at'>>,
): StagedWrite {
  const next = signed(parts, { ...head, ...change });
  return {
    version: next.current_version === null ? undefined : String(next.current_version),
    fragment: {
      expect: [expectHead(head.path, head)],
      writes: [{ table: 'secrets', put: next }],
      invalidates: [`secret:${head.path}`],
    },
  };
}

interface Ending extends Found {
  /** Removes the custom metadata with the last version; undefined if other versions are left. */
  readonly removal: PlanFragment | undefined;
}

/** Stages tombstones for some of the live versions, and a head that names none of them. */
function destroyed(
  parts: EmbeddedParts,
  { head, live, removal }: Ending,
  doomed: readonly VersionRow[],
): StagedWrite {
  const now = parts.clock.now();
  const isGone = (version: number | null): boolean => doomed.some((row) => row.version === version);
  const keepsDeleted = live.some(({ version }) => isDeleted(head, version) && !isGone(version));
  const { version, fragment } = changed(parts, head, {
    ...(isGone(head.current_version) && { current_version: null }),
    ...(isGone(head.deleted_version) && { deleted_version: null }),
    ...(!keepsDeleted && NOT_DELETED),
  });
  const tombstones = doomed.map((row) => tombstone(row, now));
  const ending = doomed.length === live.length ? removal : undefined;
  return {
    version,
    fragment: {
      expect: [...fragment.expect, ...(ending?.expect ?? [])],
      writes: [...fragment.writes, ...tombstones, ...(ending?.writes ?? [])],
      invalidates: [...fragment.invalidates, ...(ending?.invalidates ?? [])],
    },
  };
}

/** The current version after an undelete. @throws ERR_NOT_FOUND, ERR_CONFLICT */
function versionToRestore(
  { current_version, deleted_version }: SecretHead,
  deleted: readonly VersionRow[],
  wanted: number | undefined,
): number {
  if (current_version !== null) {
    if (wanted === undefined || wanted === current_version) return current_version;
    throw conflict(
      `version ${current_version} is current, and undelete never replaces a current version`,
    );
  }
  if (deleted.length === 0) throw new BrokerError('ERR_NOT_FOUND');
  const restored = wanted ?? deleted_version;
  if (restored === null) {
    throw conflict('the version that was current is destroyed; name the version to restore');
  }
  if (!deleted.some((row) => row.version === restored)) throw new BrokerError('ERR_NOT_FOUND');
  return restored;
}

/** Expects the secret as it is. */
function unchanged(head: SecretHead): StagedWrite {
  return {
    version: String(head.current_version),
    fragment: { expect: [expectHead(head.path, head)], writes: [], invalidates: [] },
  };
}

/** The deletion of a secret that is written again, after the versions up to `retired` were destroyed. */
function keptDeletion(
  { deleted_version, deleted_through, destroy_at }: SecretHead,
  retired: number,
): Pick<SecretHead, 'deleted_version' | 'deleted_through' | 'destroy_at'> {
  if ((deleted_through ?? 0) <= retired) return NOT_DELETED;
  const isRetired = (deleted_version ?? 0) <= retired;
  return { deleted_version: isRetired ? null : deleted_version, deleted_through, destroy_at };
}

function conflict(detail: string): BrokerError {
  return new BrokerError('ERR_CONFLICT', detail);
}

/** Expects that a number is unused: a write that would overwrite a version is a conflict, whatever the head contains. */
function expectUnused(id: string, version: number): Expectation {
  return { table: 'secret_versions', key: { secret_id: id, version }, absent: true };
}

type EncryptedRow = Omit<VersionRow, 'created_at' | 'created_by' | 'destroyed_at' | 'metadata'>;

function isLive(row: VersionRow): boolean {
  return row.wrapped_dek !== null;
}

/** Drops the data key of a version: without it the value cannot be decrypted, whatever copies of the ciphertext exist. */
function tombstone(row: VersionRow, now: number): Write {
  return {
    table: 'secret_versions',
    key: { secret_id: row.secret_id, version: row.version },
    change: { wrapped_dek: null, ciphertext: null, destroyed_at: now },
  };
}

function refuseUnlessCurrent(
  head: SecretHead | undefined,
  ...expected: readonly (string | undefined)[]
): void {
  const current = head?.current_version ?? null;
  const found = current === null ? 'absent' : String(current);
  if (!expected.includes(undefined) && !expected.includes(found))
    throw new BrokerError('ERR_VERSION_CONFLICT');
}

function select(live: readonly VersionRow[], versions: readonly string[]): readonly VersionRow[] {
  const wanted = new Set(versions.map(parseVersion));
  const found = live.filter((row) => wanted.has(row.version));
  if (found.length !== wanted.size || wanted.size === 0) throw new BrokerError('ERR_NOT_FOUND');
  return found;
}

const CANONICAL = /^[1-9][0-9]{0,14}$/;

/** @throws ERR_NOT_FOUND unless the text is the canonical form of a possible version number. */
export function parseVersion(text: string): number {
  if (!CANONICAL.test(text)) throw new BrokerError('ERR_NOT_FOUND');
  return Number(text);
}
