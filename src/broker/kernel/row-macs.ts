import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { RootKey } from '../../crypto/keys/root-keys.ts';
import {
  macRow,
  verifyRow,
  type CanonicalFields,
  type RowMacs,
} from '../../crypto/signatures/row-mac.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Store } from '../../ports/store.ts';

/** Computes and verifies the MACs of rows that grant access. */
export interface AuthenticatedRows {
  readonly rows: KeyringRowMacs;
}

/** MACs of the rows that grant access: computed under the active root key, accepted under every root key of the installation. */
export class KeyringRowMacs implements RowMacs {
  readonly #keyring: Keyring;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  mac(table: string, fields: CanonicalFields): Buffer {
    return macRow(this.#keyring.active.keyFor('rowMac'), table, fields);
  }

  /** @throws ERR_CIPHERTEXT_INVALID for a row whose MAC no root key of the installation made. */
  verify(table: string, fields: CanonicalFields, mac: Uint8Array): void {
    const keys = this.#keyring.newestFirst();
    if (!keys.some((key) => hasMacOf(key, table, fields, mac))) {
      throw new BrokerError('ERR_CIPHERTEXT_INVALID');
    }
  }

  /** Reports whether the active root key made the MAC; if not, the row needs an older one. @throws ERR_CIPHERTEXT_INVALID as `verify`. */
  isCurrent(table: string, fields: CanonicalFields, mac: Uint8Array): boolean {
    if (hasMacOf(this.#keyring.active, table, fields, mac)) return true;
    this.verify(table, fields, mac);
    return false;
  }
}

/**
 * Opens a row of a table. If the store is held because of altered rows, an altered row is skipped. A held store serves nothing, and the
 * broker stays up to report why.
 * @throws ERR_CIPHERTEXT_INVALID for an altered row of a store that is not held.
 */
export function openRow<T>(store: Pick<Store, 'fault'>, open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    const isForged = error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID';
    if (isForged && store.fault() === 'ERR_HELD') return undefined;
    throw error;
  }
}

function hasMacOf(key: RootKey, table: string, fields: CanonicalFields, mac: Uint8Array): boolean {
  try {
    verifyRow(key.keyFor('rowMac'), table, fields, mac);
    return true;
  } catch {
    return false;
  }
}
