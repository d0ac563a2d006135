import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  verify,
  type KeyObject,
} from 'node:crypto';

const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The encoding (PKCS #8) of an Ed25519 private key up to its seed (RFC 8410 section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SEED_BYTES = 32;
/** The encoding (SubjectPublicKeyInfo) of an Ed25519 key up to the key itself (RFC 8410 section 4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** An Ed25519 key (RFC 8032) that signs: the key of a log, or a key that a writer made at boot and announced. */
export class SigningKey {
  readonly #key: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;

  constructor(key: KeyObject) {
    if (key.type !== 'private' || key.asymmetricKeyType !== 'ed25519') {
      throw new TypeError('a signing key is an Ed25519 private key');
    }
    this.#key = key;
    this.publicKey = createPublicKey(key)
      .export({ type: 'spki', format: 'der' })
      .subarray(-PUBLIC_KEY_BYTES);
  }

  /** 64 bytes. */
  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#key);
  }

  /** The 32 bytes of the private key (RFC 8032 section 5.1.5), for a key-encryption key to wrap; the caller wipes them. */
  exportSeed(): Buffer {
    const encoded = this.#key.export({ type: 'pkcs8', format: 'der' });
    const seed = Buffer.from(encoded.subarray(-SEED_BYTES));
    encoded.fill(0);
    return seed;
  }

  /** PKCS #8 in PEM, for a file of its own. */
  exportPem(): string {
    return this.#key.export({ type: 'pkcs8', format: 'pem' }).toString();
  }
}

export function generateSigningKey(): SigningKey {
  return new SigningKey(generateKeyPairSync('ed25519').privateKey);
}

/** @throws RangeError unless there are 32 bytes. */
export function signingKeyOf(seed: Uint8Array): SigningKey {
  if (seed.length !== SEED_BYTES) throw new RangeError('the seed of an Ed25519 key is 32 bytes');
  const key = Buffer.concat([PKCS8_PREFIX, seed]);
  try {
    return new SigningKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' }));
  } finally {
    key.fill(0);
  }
}

/** @throws Error unless the text is one unencrypted Ed25519 key in PKCS #8 PEM. */
export function loadSigningKey(pem: string): SigningKey {
  return new SigningKey(createPrivateKey({ key: pem, format: 'pem' }));
}

/** A public key parsed once and kept: parsing costs as much as verifying (measured). */
export class VerifyingKey {
  readonly #key: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;

  /** @throws RangeError unless there are 32 bytes. */
  constructor(publicKey: Uint8Array) {
    if (publicKey.length !== PUBLIC_KEY_BYTES)
      throw new RangeError('an Ed25519 public key is 32 bytes');
    this.publicKey = Uint8Array.from(publicKey);
    this.#key = createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, publicKey]),
      format: 'der',
      type: 'spki',
    });
  }

  /** False for anything but a valid signature, its length included. */
  verifies(message: Uint8Array, signature: Uint8Array): boolean {
    return signature.length === SIGNATURE_BYTES && verify(null, message, this.#key, signature);
  }
}
