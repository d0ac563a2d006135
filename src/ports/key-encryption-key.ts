import type { CallContext } from './call-context.ts';

/** One key-encryption key, local or remote. It wraps root keys only, never a data key or a secret. */
export interface KeyEncryptionKey {
  /** Names the key and its location, for example `local-file:3f2a…` or `vault-transit:prod/quaymaster`. It is stored beside the wrapped key. */
  readonly id: string;
  /** @throws ERR_SEALED if the key cannot be reached. */
  wrap(
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array>;
  /** @throws ERR_CIPHERTEXT_INVALID (never says whether the key, the associated data or the bytes are wrong) or ERR_SEALED. */
  unwrap(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array>;
}
