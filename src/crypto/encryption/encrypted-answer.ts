import { CompactEncrypt } from 'jose';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import { invalidCiphertext } from '../aead/aead.ts';
import { importSenderKey } from '../keys/sender-key.ts';

/**
 * Encrypts a response as a compact JWE (RFC 7516 §7.1) that only the holder of the key opens: ECDH-ES with a new ephemeral key each time, A256GCM.
 * The protected header holds `jti` of the request's proof, so a response cannot be replayed as the response to another request
 * (internals/spec/sealed-delivery-v1.md).
 */
export async function encryptAnswer(
  json: Uint8Array,
  to: { readonly key: SenderKey; readonly proofId: string },
): Promise<string> {
  const key = importSenderKey(to.key);
  if (key === undefined) throw invalidCiphertext();
  return new CompactEncrypt(json)
    .setProtectedHeader({
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      kid: to.key.thumbprint,
      cty: 'json',
      jti: to.proofId,
    })
    .encrypt(key);
}
