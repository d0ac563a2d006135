import { BrokerError } from '../../domain/errors.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { RootKey } from '../../crypto/keys/root-keys.ts';
import type { Storage } from '../state/dependencies.ts';
import {
  activeRow,
  changeRootKeys,
  pendingRow,
  readRootKeys,
  type RootKeyRows,
} from './root-key-rows.ts';

/** Number of encryptions that the store counts ahead of time. After a crash the unused ones stay counted. */
export const ENCRYPTION_STEP = 65_536;
const ATTEMPTS = 8;

/**
 * Counts the AES-GCM encryptions under each root key. With random IVs a key may make 2^32 of them (NIST SP 800-38D section 8.3). All keys derived from
 * a root key count as one.
 */
export class EncryptionLedger {
  readonly #parts: Storage & { readonly keyring: Keyring };

  constructor(parts: Storage & { readonly keyring: Keyring }) {
    this.#parts = parts;
  }

  /** Grants the active and the pending key enough encryptions for the next time. @returns the root keys after that. */
  async fill(): Promise<RootKeyRows> {
    const { store, keyring } = this.#parts;
    let rows = await readRootKeys(store);
    for (const row of [activeRow(rows), pendingRow(rows)]) {
      const key = row && keyring.find(row.id);
      if (key === undefined || !needsMore(key)) continue;
      await this.#grant(key);
      rows = await readRootKeys(store);
    }
    return rows;
  }

  async #grant(key: RootKey): Promise<void> {
    const { store, keyring } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const before = await readRootKeys(store);
      const row = before.keys.find(({ id }) => id === key.id);
      const active = keyring.find(activeRow(before).id);
      if (row === undefined || active === undefined) return;
      // Only the key of the log is not counted.
      if (row.seals === null) throw new BrokerError('ERR_CIPHERTEXT_INVALID');
      const counted = { ...row, seals: row.seals + ENCRYPTION_STEP };
      const keys = before.keys.map((each) => (each === row ? counted : each));
      const outcome = await store.commit(changeRootKeys(before, { keys }, active));
      if (outcome.status === 'committed') {
        key.grantEncryptions(ENCRYPTION_STEP);
        return;
      }
    }
  }
}

function needsMore({ encryptionsLeft }: RootKey): boolean {
  return !Number.isFinite(encryptionsLeft) || encryptionsLeft < ENCRYPTION_STEP / 2;
}
