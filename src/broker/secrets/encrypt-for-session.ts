import { encryptAnswer } from '../../crypto/encryption/encrypted-answer.ts';
import type { ByteText } from '../../domain/words/byte-text.ts';
import { senderKeyOf, type Caller } from '../access/call.ts';
import type { Eventually } from '../kernel/eventually.ts';

/** Values in an answer: in the clear, or encrypted to the key that the caller's session is bound to. */
export type Delivery = { readonly json: ByteText } | { readonly jwe: string };

/**
 * The session decides whether values are encrypted, not the request: otherwise a request without a proof would receive the value
 * in the clear.
 */
export function deliver(
  json: ByteText,
  caller: Caller | undefined,
  proofId: string | undefined,
): Eventually<Delivery> {
  const key = caller === undefined ? undefined : senderKeyOf(caller);
  if (key === undefined) return { json };
  if (proofId === undefined)
    throw new Error('a session bound to a key was admitted without a proof');
  return encryptAnswer(json.bytes(), { key, proofId }).then((jwe) => ({ jwe }));
}
