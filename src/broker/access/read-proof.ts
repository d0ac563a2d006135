import { parseCompactJws } from '../../domain/identity/compact-jws.ts';
import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';
import { proofRefused } from './proof-refused.ts';
import { readProofHeader } from './read-proof-header.ts';

/** A proof has 400 to 600 characters; longer texts are not parsed. */
const LONGEST = 4_096;
/** Pattern of a `jti` in its only accepted encoding, because the memory of proofs compares the text. */
const JTI = /^[A-Za-z0-9_-]{1,128}$/;

/** A DPoP proof (RFC 9449 §4.2) in valid form; its claims and signature are not verified yet. */
export interface Proof {
  readonly key: { readonly x: string; readonly y: string };
  readonly jti: string;
  readonly htm: string;
  readonly htu: string;
  /** Seconds since the epoch. */
  readonly iat: number;
  readonly ath: string | undefined;
  readonly signed: { readonly input: string; readonly signature: Uint8Array };
}

/** @throws ERR_UNAUTHENTICATED with a reason of `ProofRefusal`. */
export function readProof(text: string): Proof {
  if (text.length > LONGEST) throw proofRefused('dpop_too_large');
  const { header, payload, signature, input } = parseCompactJws(text, malformed);
  const key = readProofHeader(parseStrictObject(header, malformed));
  return {
    key,
    ...readClaims(parseStrictObject(payload, malformed)),
    signed: { input, signature },
  };
}

function readClaims(claims: JsonObject): Omit<Proof, 'key' | 'signed'> {
  const { jti, htm, htu, iat, ath } = claims;
  if (typeof jti !== 'string' || !JTI.test(jti)) throw proofRefused('dpop_jti');
  if (typeof htm !== 'string') throw proofRefused('dpop_htm');
  if (typeof htu !== 'string') throw proofRefused('dpop_htu');
  if (typeof iat !== 'number' || !Number.isSafeInteger(iat)) throw proofRefused('dpop_iat');
  if (ath !== undefined && typeof ath !== 'string') throw proofRefused('dpop_ath');
  return { jti, htm, htu, iat, ath };
}

function malformed(): Error {
  return proofRefused('dpop_malformed');
}
