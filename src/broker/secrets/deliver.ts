import { sealAnswer } from '../../crypto/sealed-answer.ts';
import type { Caller } from '../call.ts';
import { LiveSession } from '../sessions/session-memory.ts';

/** Values on their way out: as they are, or sealed to the key that the caller's session is bound to. */
export type Delivery = { readonly json: Buffer } | { readonly jwe: string };

/** Asks the session, not the request, whether to seal: a value never leaves in clear for want of a proof. */
export async function deliver(
  json: Buffer,
  caller: Caller | undefined,
  proofId: string | undefined,
): Promise<Delivery> {
  const key = caller instanceof LiveSession ? caller.session.senderKey : undefined;
  if (key === undefined) return { json };
  if (proofId === undefined) throw new Error('a bound session was let in without a proof');
  return { jwe: await sealAnswer(json, { key, proofId }) };
}
