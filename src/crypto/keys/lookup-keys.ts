import { BrokerError } from '../../domain/errors.ts';
import { invalidCiphertext } from '../aead/aead.ts';
import { LOOKUP_PURPOSES, type ColumnPlace, type LookupPurpose } from '../aead/associated-data.ts';
import type { FindRootKey, RootKey } from './root-keys.ts';
import { decryptColumn, encryptColumn } from './encrypted-column.ts';
import { importSecretKey, SECRET_KEY_BYTES, type SecretKey } from '../random/secret-key.ts';

/**
 * The keys of keyed hashes by which something is found again: tokens, fingerprints in the log, idempotency keys. They are derived from the first root
 * key of an installation and stay the same when the root key changes, because the hashes cannot be computed again: the broker does not have the
 * tokens and old values. They neither encrypt nor grant anything. internals/spec/root-keys-v1.md.
 */
export class LookupKeys {
  readonly #keys: Map<LookupPurpose, SecretKey>;

  private constructor(keys: ReadonlyMap<LookupPurpose, SecretKey>) {
    this.#keys = new Map(keys);
  }

  static of(root: RootKey): LookupKeys {
    return new LookupKeys(new Map(LOOKUP_PURPOSES.map((each) => [each, root.keyFor(each)])));
  }

  /** @throws ERR_SEALED after `forget`. */
  keyFor(purpose: LookupPurpose): SecretKey {
    const key = this.#keys.get(purpose);
    if (key === undefined) throw new BrokerError('ERR_SEALED');
    return key;
  }

  /** Encrypts the keys under a root key, for the store. */
  encrypt(root: RootKey, installation: string): Buffer {
    const material = Buffer.concat(LOOKUP_PURPOSES.map((each) => this.keyFor(each).export()));
    try {
      return encryptColumn(root, at(installation), material);
    } finally {
      material.fill(0);
    }
  }

  /** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
  static open(find: FindRootKey, installation: string, encrypted: Uint8Array): LookupKeys {
    const material = decryptColumn(find, at(installation), encrypted);
    if (material.length !== LOOKUP_PURPOSES.length * SECRET_KEY_BYTES) throw invalidCiphertext();
    const part = (index: number): Buffer =>
      Buffer.from(material.subarray(index * SECRET_KEY_BYTES, (index + 1) * SECRET_KEY_BYTES));
    const keys = LOOKUP_PURPOSES.map(
      (each, index) => [each, importSecretKey(part(index))] as const,
    );
    material.fill(0);
    return new LookupKeys(new Map(keys));
  }

  forget(): void {
    this.#keys.clear();
  }
}

function at(installation: string): ColumnPlace {
  return { purpose: 'lookupKeys', installation, names: [] };
}
