import { createPublicKey, verify, type KeyObject } from 'node:crypto';
import { sha256Hex } from '../hashes/digest.ts';

/** A pinned public key of a signer. */
export interface SignerKey {
  /** SHA-256 of the key (SPKI, DER), as `sha256:<hex>`. */
  readonly id: string;
  readonly key: KeyObject;
}

/** One block and nothing else: Node would also accept a private key or a certificate and take its public key. */
const PEM = /^-----BEGIN PUBLIC KEY-----\r?\n[A-Za-z0-9+/=\r\n]+-----END PUBLIC KEY-----\s*$/;
const LEAST_RSA_BITS = 2_048;
const MOST_RSA_BITS = 8_192;

/** Undefined for a text that is not one public key of a type that cosign makes: ECDSA on P-256, RSA, Ed25519. */
export function signerKey(pem: string): SignerKey | undefined {
  if (!PEM.test(pem)) return undefined;
  try {
    const key = createPublicKey(pem);
    if (!isAccepted(key)) return undefined;
    return { id: `sha256:${sha256Hex(key.export({ type: 'spki', format: 'der' }))}`, key };
  } catch {
    return undefined;
  }
}

function isAccepted({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  const { namedCurve, modulusLength = 0 } = asymmetricKeyDetails;
  if (asymmetricKeyType === 'ec') return namedCurve === 'prime256v1';
  if (asymmetricKeyType === 'rsa') {
    return modulusLength >= LEAST_RSA_BITS && modulusLength <= MOST_RSA_BITS;
  }
  return asymmetricKeyType === 'ed25519';
}

/** Verifies ECDSA and RSA (PKCS #1 v1.5) over SHA-256, or Ed25519: the type of the pinned key decides, never the signature. */
export function isSignedBy(
  { key }: SignerKey,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  try {
    return verify(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', message, key, signature);
  } catch {
    return false;
  }
}

/** The bytes that a DSSE signature covers (https://github.com/secure-systems-lab/dsse, "Pre-Authentication Encoding"). */
export function dsseMessage(payloadType: string, payload: Uint8Array): Buffer {
  const type = Buffer.from(payloadType);
  const head = `DSSEv1 ${type.length} ${payloadType} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}
