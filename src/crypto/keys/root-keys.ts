import { BrokerError } from '../../domain/errors.ts';
import { invalidCiphertext } from '../aead/aead.ts';
import {
  commitmentInfo,
  derivedKeyInfo,
  rootKeyData,
  type KeyPurpose,
} from '../aead/associated-data.ts';
import { deriveBytes, deriveKey } from './derived-keys.ts';
import { constantTimeEqual } from '../hashes/digest.ts';
import { randomId } from '../random/random.ts';
import { signingKeyOf, type SigningKey } from '../signatures/signing.ts';
import {
  generateSecretKey,
  importSecretKey,
  SECRET_KEY_BYTES,
  type SecretKey,
} from '../random/secret-key.ts';

const COMMITMENT_VERSION = Buffer.of(1);

/** A key that wraps root keys. It has the shape of the port `KeyEncryptionKey`, which this room does not import. */
export interface KeyWrapper<Context> {
  readonly id: string;
  wrap(plaintext: Uint8Array, associatedData: Uint8Array, context: Context): Promise<Uint8Array>;
  unwrap(wrapped: Uint8Array, associatedData: Uint8Array, context: Context): Promise<Uint8Array>;
}

/** A root key as the store keeps it; internals/spec/root-keys-v1.md. */
export interface WrappedRootKey {
  readonly id: string;
  readonly kekId: string;
  /** Bytes in the format of the KEK. */
  readonly wrapped: Uint8Array;
  /** A keyed hash that the unwrapped key must reproduce, so that a hostile KEK cannot supply a key of its own. */
  readonly commitment: Uint8Array;
}

/** A root key in memory after start. Not used directly: HKDF derives one key for each purpose. */
export class RootKey {
  readonly id: string;
  /** Undefined after `forget`. */
  #material: SecretKey | undefined;
  readonly #derived = new Map<KeyPurpose, SecretKey>();
  /** Encryptions that this process may still make under keys derived from this root key. */
  #encryptionsLeft = Number.POSITIVE_INFINITY;

  constructor(id: string, material: SecretKey) {
    this.id = id;
    this.#material = material;
  }

  /** The key of one purpose; derived once, later calls return the same object. */
  keyFor(purpose: KeyPurpose): SecretKey {
    const known = this.#derived.get(purpose);
    if (known !== undefined) return known;
    const key = deriveKey(this.#key(), derivedKeyInfo(purpose));
    this.#derived.set(purpose, key);
    return key;
  }

  /**
   * The key of one purpose for one AES-GCM encryption, which this call counts. @throws ERR_BUSY when the encryptions that the store has counted are used
   * up.
   */
  encryptionKeyFor(purpose: KeyPurpose): SecretKey {
    if (this.#encryptionsLeft <= 0)
      throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    this.#encryptionsLeft -= 1;
    return this.keyFor(purpose);
  }

  get encryptionsLeft(): number {
    return this.#encryptionsLeft;
  }

  /** Permits this many more encryptions, which the store has counted. */
  grantEncryptions(count: number): void {
    this.#encryptionsLeft =
      (Number.isFinite(this.#encryptionsLeft) ? this.#encryptionsLeft : 0) + count;
  }

  /** 33 bytes: version byte 1 and a keyed hash of this key, its id and the installation. */
  commitment(installation: string): Buffer {
    return Buffer.concat([
      COMMITMENT_VERSION,
      deriveBytes(this.#key(), commitmentInfo(installation, this.id)),
    ]);
  }

  /** A copy of the 32 bytes, for a KEK to wrap; the caller wipes it. */
  exportMaterial(): Buffer {
    return this.#key().export();
  }

  /** Drops the key and everything derived from it: node:crypto wipes a key when nothing refers to it any more. */
  forget(): void {
    this.#material = undefined;
    this.#derived.clear();
  }

  #key(): SecretKey {
    if (this.#material === undefined) throw new BrokerError('ERR_SEALED');
    return this.#material;
  }
}

/** `Keyring.find`: undefined for a key that is not in memory. */
export type FindRootKey = (id: string) => RootKey | undefined;

export function generateRootKey(): RootKey {
  return new RootKey(randomId('rk'), generateSecretKey());
}

/** The key of an audit log, in the form in which key-encryption keys wrap it. No key is derived from it for data. */
export function wrappableLogKey(logKey: SigningKey): RootKey {
  const seed = logKey.exportSeed();
  try {
    return new RootKey(randomId('lk'), importSecretKey(seed));
  } finally {
    seed.fill(0);
  }
}

/** The key of the audit log that `wrappableLogKey` put into this form. */
export function logKeyOf(wrapped: RootKey): SigningKey {
  const seed = wrapped.exportMaterial();
  try {
    return signingKeyOf(seed);
  } finally {
    seed.fill(0);
  }
}

/** The KEK and the installation to which a wrapped root key is bound; `context` is passed to the KEK unchanged. */
export interface WrappingScope<Context> {
  readonly kek: KeyWrapper<Context>;
  readonly installation: string;
  readonly context: Context;
}

/** Wraps a new root key, or wraps an old one under another KEK. @throws ERR_SEALED when the KEK cannot be reached. */
export async function wrapRootKey<Context>(
  rootKey: RootKey,
  { kek, installation, context }: WrappingScope<Context>,
): Promise<WrappedRootKey> {
  const material = rootKey.exportMaterial();
  try {
    const wrapped = await kek.wrap(
      material,
      rootKeyData(installation, rootKey.id, kek.id),
      context,
    );
    return {
      id: rootKey.id,
      kekId: kek.id,
      wrapped,
      commitment: rootKey.commitment(installation),
    };
  } finally {
    material.fill(0);
  }
}

/** @throws ERR_CIPHERTEXT_INVALID for another KEK, place, key or byte; ERR_SEALED when the KEK cannot be reached. */
export async function unwrapRootKey<Context>(
  record: WrappedRootKey,
  { kek, installation, context }: WrappingScope<Context>,
): Promise<RootKey> {
  if (record.kekId !== kek.id)
    throw invalidCiphertext(new Error('the root key is under another key-encryption key'));
  const material = await kek.unwrap(
    record.wrapped,
    rootKeyData(installation, record.id, kek.id),
    context,
  );
  if (material.length !== SECRET_KEY_BYTES)
    throw invalidCiphertext(new Error('the KEK returned a key of another length'));
  const rootKey = new RootKey(record.id, importSecretKey(material));
  if (!constantTimeEqual(rootKey.commitment(installation), record.commitment)) {
    throw invalidCiphertext(new Error('the KEK returned a key that is not the committed one'));
  }
  return rootKey;
}
