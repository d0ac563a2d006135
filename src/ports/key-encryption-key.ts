import type { CallContext } from './call-context.ts';

/** One key-encryption key, wherever it lives. It sees root keys only, never a data key or a secret. */
export interface KeyEncryptionKey {
  /** Names the key and its place, for example `local-file:3f2a…` or `vault-transit:prod/quaymaster`; stored beside what it wraps. */
  readonly id: string;
  /** @throws ERR_SEALED when the key cannot be reached. */
  wrap(
    plaintext: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array>;
  /** @throws ERR_CIPHERTEXT_INVALID (never says whether key, associated data or bytes) or ERR_SEALED. */
  unwrap(
    wrapped: Uint8Array,
    associatedData: Uint8Array,
    context: CallContext,
  ): Promise<Uint8Array>;
}
