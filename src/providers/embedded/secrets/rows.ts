import { invalidCiphertext } from '../../../crypto/aead/aead.ts';
import type { SecretPlace } from '../../../crypto/aead/associated-data.ts';
import { decryptValue, type EncryptedValue } from '../../../crypto/encryption/envelope.ts';
import type { Keyring } from '../../../crypto/keys/keyring.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Store, Expectation } from '../../../ports/store.ts';
import { macColumns, type Tables } from '../../../ports/tables.ts';
import { SECRETS } from '../../../ports/queries.ts';
import { HISTORY_LENGTH } from '../config.ts';
import { macRow, verifyRow } from '../../../crypto/signatures/row-mac.ts';
import type { RootKey } from '../../../crypto/keys/root-keys.ts';
import { BrokerError } from '../../../domain/errors.ts';

export interface EmbeddedParts {
  readonly store: Store;
  readonly keyring: Keyring;
  /** The installation's random id; it is part of each place. */
  readonly installation: string;
  readonly clock: Clock;
}

export type VersionRow = Tables['secret_versions'];

/** Reads heads and versions, and refuses rows that were altered. */
export class EmbeddedSecrets {
  readonly #parts: EmbeddedParts;

  constructor(parts: EmbeddedParts) {
    this.#parts = parts;
  }

  /** Reads the head of a secret; undefined if it never existed. @throws ERR_CIPHERTEXT_INVALID */
  async head(path: string): Promise<SecretHead | undefined> {
    const row = await this.#parts.store.get('secrets', { path });
    if (row === undefined) return undefined;
    if (row.path !== path) throw invalidCiphertext(new Error('the store answered another row'));
    return verifyHead(this.#parts.keyring, row);
  }

  version(head: SecretHead, version: number): Promise<VersionRow | undefined> {
    return this.#parts.store.get('secret_versions', { secret_id: head.id, version });
  }

  /** Lists the kept versions from the newest to the oldest; `upTo` is inclusive. */
  history(head: SecretHead, upTo = head.last_version): Promise<readonly VersionRow[]> {
    return this.#parts.store.list(SECRETS.versions(head.id, upTo), { limit: HISTORY_LENGTH });
  }

  /** A head that was rolled back carries a MAC that was once valid; the versions written later reveal it. @throws ERR_CIPHERTEXT_INVALID */
  async refuseRolledBack(head: SecretHead): Promise<void> {
    const next = { secret_id: head.id, version: head.last_version + 1 };
    if ((await this.#parts.store.get('secret_versions', next)) === undefined) return;
    const again = await this.head(head.path);
    if (again !== undefined && again.last_version > head.last_version) return;
    throw invalidCiphertext(new Error('a secret has a later version than its head names'));
  }

  open(place: SecretPlace, encrypted: EncryptedValue): Buffer {
    return decryptValue((id) => this.#parts.keyring.find(id), place, encrypted);
  }

  place(head: Pick<SecretHead, 'path' | 'id'>, version: number): SecretPlace {
    const { installation } = this.#parts;
    return { installation, secretId: head.id, path: head.path, version };
  }
}

/** The head of a secret's versions: the current version, the highest number ever used, and what is deleted. */
export type SecretHead = Tables['secrets'];
type HeadFields = Omit<SecretHead, 'mac'>;

const TABLE = 'secrets';

/** Columns of a secret of which nothing is deleted. */
export const NOT_DELETED = { deleted_version: null, deleted_through: null, destroy_at: null };

export function signHead(rootKey: RootKey, fields: HeadFields): SecretHead {
  return { ...fields, mac: macRow(rootKey.keyFor('rowMac'), TABLE, macColumns(fields)) };
}

/** Reports whether a version was deleted with the secret and can still be restored, unless it is destroyed. */
export function isDeleted(head: SecretHead, version: number): boolean {
  return head.deleted_through !== null && version <= head.deleted_through;
}

/**
 * Accepts a MAC of any root key in memory: a rotation of the root key signs rows again in the background.
 * @throws ERR_CIPHERTEXT_INVALID
 */
export function verifyHead(keyring: Keyring, row: SecretHead): SecretHead {
  const { mac, ...fields } = row;
  if (keyring.newestFirst().some((key) => isSignedBy(key, fields, mac))) return row;
  throw invalidCiphertext(new Error('the head of a secret was changed after the broker wrote it'));
}

function isSignedBy(rootKey: RootKey, fields: HeadFields, mac: Uint8Array): boolean {
  try {
    verifyRow(rootKey.keyFor('rowMac'), TABLE, macColumns(fields), mac);
    return true;
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return false;
    throw error;
  }
}

/**
 * Expects the secret's versions as a staged write found them. The MAC is not compared, because a new signature changes nothing for a
 * writer.
 */
export function expectHead(path: string, head: SecretHead | undefined): Expectation {
  const key = { path };
  if (head === undefined) return { table: TABLE, key, absent: true };
  const { id, last_version, current_version, deleted_version, deleted_through, destroy_at } = head;
  const match = { id, last_version, current_version, deleted_version, deleted_through, destroy_at };
  return { table: TABLE, key, match };
}
