import { sealValue } from '../../../crypto/envelope.ts';
import { randomId } from '../../../crypto/random.ts';
import { BrokerError } from '../../../domain/errors.ts';
import type { SecretData } from '../../../domain/secret.ts';
import type {
  SecretVersionInfo,
  SecretWrites,
  StagedWrite,
} from '../../../ports/secret-provider.ts';
import type { Expectation, Write } from '../../../ports/store.ts';
import { HISTORY_LENGTH } from '../config.ts';
import {
  type EmbeddedParts,
  type EmbeddedSecrets,
  type VersionRow,
  expectHead,
  signHead,
  type SecretHead,
} from './rows.ts';
import { encodeSecret } from './secret-text.ts';

/** Stages writes. They take effect when the broker commits the fragment with its audit entry. */
export class EmbeddedWrites implements SecretWrites {
  readonly #parts: EmbeddedParts;
  readonly #secrets: EmbeddedSecrets;
  readonly #keepVersions: number;

  constructor(parts: EmbeddedParts, secrets: EmbeddedSecrets, keepVersions: number) {
    this.#parts = parts;
    this.#secrets = secrets;
    this.#keepVersions = keepVersions;
  }

  async put(
    path: string,
    data: SecretData,
    ifVersion: string | undefined,
    author: string,
  ): Promise<StagedWrite> {
    const head = await this.#secrets.head(path);
    refuseUnlessCurrent(head, ifVersion);
    if (head !== undefined) await this.#secrets.refuseRolledBack(head);
    const id = head?.id ?? randomId('sec');
    const version = (head?.last_version ?? 0) + 1;
    const now = this.#parts.clock.now();
    const next = this.#sign({ path, id, last_version: version, current_version: version }, now);
    const row = this.#seal(next, version, data);
    const put: Write = {
      table: 'secret_versions',
      put: { ...row, created_at: now, created_by: author, destroyed_at: null },
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

  async destroy(
    path: string,
    versions: readonly string[] | undefined,
    ifVersion: string | undefined,
  ): Promise<StagedWrite> {
    const head = await this.#secrets.head(path);
    if (head === undefined) throw new BrokerError('ERR_NOT_FOUND');
    const live = (await this.#secrets.history(head)).filter(isLive);
    if (live.length === 0) throw new BrokerError('ERR_NOT_FOUND');
    refuseUnlessCurrent(head, ifVersion);
    await this.#secrets.refuseRolledBack(head);
    const doomed = versions === undefined ? live : select(live, versions);
    const isCurrentGone = doomed.some((row) => row.version === head.current_version);
    const current = isCurrentGone ? null : head.current_version;
    const now = this.#parts.clock.now();
    const { id, last_version } = head;
    const next = this.#sign({ path, id, last_version, current_version: current }, now);
    return {
      version: current === null ? undefined : String(current),
      fragment: {
        expect: [expectHead(path, head)],
        writes: [{ table: 'secrets', put: next }, ...doomed.map((row) => tombstone(row, now))],
        invalidates: [`secret:${path}`],
      },
    };
  }

  async versions(path: string): Promise<readonly SecretVersionInfo[]> {
    const head = await this.#secrets.head(path);
    if (head === undefined) throw new BrokerError('ERR_NOT_FOUND');
    return (await this.#secrets.history(head)).map((row) => describe(row, head));
  }

  #sign(fields: Omit<SecretHead, 'mac' | 'updated_at'>, now: number): SecretHead {
    return signHead(this.#parts.keyring.active, { ...fields, updated_at: now });
  }

  #seal(head: SecretHead, version: number, data: SecretData): SealedRow {
    const plaintext = encodeSecret(data);
    const place = this.#secrets.place(head, version);
    const sealed = sealValue(this.#parts.keyring.active, place, plaintext);
    plaintext.fill(0);
    return {
      secret_id: head.id,
      version,
      root_key_id: sealed.rootKeyId,
      wrapped_dek: sealed.wrappedDek,
      ciphertext: sealed.ciphertext,
    };
  }

  /** Destroys the value that `version` pushes beyond the kept values, and deletes the tombstone that it pushes out of the history. */
  async #retire(head: SecretHead | undefined, version: number): Promise<readonly Write[]> {
    if (head === undefined) return [];
    const rows = await this.#secrets.history(head, version - this.#keepVersions);
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

/** Each number is used once: a write that would overwrite a version is a conflict, whatever the head says. */
function expectUnused(id: string, version: number): Expectation {
  return { table: 'secret_versions', key: { secret_id: id, version }, absent: true };
}

type SealedRow = Omit<VersionRow, 'created_at' | 'created_by' | 'destroyed_at'>;

function isLive(row: VersionRow): boolean {
  return row.wrapped_dek !== null;
}

/** Without its data key a value cannot be decrypted, whatever copies of the ciphertext exist. */
function tombstone(row: VersionRow, now: number): Write {
  return {
    table: 'secret_versions',
    key: { secret_id: row.secret_id, version: row.version },
    change: { wrapped_dek: null, ciphertext: null, destroyed_at: now },
  };
}

function refuseUnlessCurrent(head: SecretHead | undefined, ifVersion: string | undefined): void {
  if (ifVersion === undefined) return;
  const current = head?.current_version ?? null;
  const found = current === null ? 'absent' : String(current);
  if (ifVersion !== found) throw new BrokerError('ERR_VERSION_CONFLICT');
}

function select(live: readonly VersionRow[], versions: readonly string[]): readonly VersionRow[] {
  const wanted = new Set(versions.map(parseVersion));
  const found = live.filter((row) => wanted.has(row.version));
  if (found.length !== wanted.size || wanted.size === 0) throw new BrokerError('ERR_NOT_FOUND');
  return found;
}

function describe(row: VersionRow, head: SecretHead): SecretVersionInfo {
  const known = {
    version: String(row.version),
    createdAt: row.created_at,
    createdBy: row.created_by,
  };
  if (row.destroyed_at !== null || !isLive(row)) {
    const destroyedAt = row.destroyed_at ?? undefined;
    return { ...known, state: 'destroyed', ...(destroyedAt !== undefined && { destroyedAt }) };
  }
  return { ...known, state: row.version === head.current_version ? 'current' : 'previous' };
}

const CANONICAL = /^[1-9][0-9]{0,14}$/;

/** @throws ERR_NOT_FOUND unless the text is the canonical form of a possible version number. */
export function parseVersion(text: string): number {
  if (!CANONICAL.test(text)) throw new BrokerError('ERR_NOT_FOUND');
  return Number(text);
}
