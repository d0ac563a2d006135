import { open, seal } from '../../../crypto/aead.ts';
import { localFileData, localFileInfo } from '../../../crypto/associated-data.ts';
import { deriveBytes, deriveKey } from '../../../crypto/derived-keys.ts';
import type { SecretKey } from '../../../crypto/secret-key.ts';
import type { KeyEncryptionKey } from '../../../ports/key-encryption-key.ts';
import { readKeyFile, type KeyFileLocation } from '../kek.ts';

const ID_BYTES = 16;

/** A key-encryption key held in this process, read once from its file; docs/spec/root-keys-v1.md. */
export class LocalFileKey implements KeyEncryptionKey {
  /** `local-file:` and 128 bits derived from the key, which tell two keys apart and nothing about either. */
  readonly id: string;
  readonly #key: SecretKey;

  constructor(material: SecretKey) {
    this.id = `local-file:${deriveBytes(material, localFileInfo('id')).toString('hex', 0, ID_BYTES)}`;
    this.#key = deriveKey(material, localFileInfo('wrap'));
  }

  async wrap(plaintext: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(seal(this.#key, plaintext, localFileData(associatedData)));
  }

  async unwrap(wrapped: Uint8Array, associatedData: Uint8Array): Promise<Uint8Array> {
    return Promise.resolve(open(this.#key, wrapped, localFileData(associatedData)));
  }
}

/** @throws ERR_SEALED when the file cannot be read; ERR_CONFIG_INVALID when it is not to be trusted or not a key. */
export async function loadLocalFileKey(location: KeyFileLocation): Promise<LocalFileKey> {
  return new LocalFileKey(await readKeyFile(location));
}
