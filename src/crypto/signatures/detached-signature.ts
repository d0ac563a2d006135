import { createPrivateKey, sign } from 'node:crypto';

/** Signs all bytes in the way that certificates are signed: Ed25519, or RSA (PKCS #1 v1.5) and ECDSA (in DER) over SHA-256. */
export function detachedSignature(privateKey: string, bytes: Uint8Array): Buffer {
  const key = createPrivateKey(privateKey);
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key);
}
