import { createPrivateKey, sign } from 'node:crypto';

/** Over all bytes, as certificates are signed: Ed25519 itself, RSA (PKCS #1 v1.5) and ECDSA (in DER) over SHA-256. */
export function detachedSignature(privateKey: string, bytes: Uint8Array): Buffer {
  const key = createPrivateKey(privateKey);
  return sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', bytes, key);
}
