import { parseCompactJws } from '../../domain/identity/compact-jws.ts';
import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';
import { proofRefused } from './proof-refused.ts';

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

/**
 * Header fields, besides `jwk`, that carry a key: with two keys in one header, two parsers may choose different ones (RFC 8725
 * §3.10).
 */
const OTHER_KEYS = ['jku', 'x5u', 'x5c', 'x5t', 'x5t#S256'];
/** Members of a JWK that contain private or symmetric key material (RFC 7518 §6.2.2, §6.3.2, §6.4.1). */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const COORDINATE_BYTES = 32;

/**
 * Reads the public key of a proof's header. @throws ERR_UNAUTHENTICATED `dpop_typ`, `dpop_alg`, `dpop_crit`, `dpop_jwk`,
 * `dpop_private_key`.
 */
export function readProofHeader(header: JsonObject): { readonly x: string; readonly y: string } {
  if (header['typ'] !== 'dpop+jwt') throw proofRefused('dpop_typ');
  if (header['alg'] !== 'ES256') throw proofRefused('dpop_alg');
  // No extension is supported, including `b64` (RFC 7797).
  if ('crit' in header || 'b64' in header) throw proofRefused('dpop_crit');
  const { jwk } = header;
  if (typeof jwk !== 'object' || jwk === null || OTHER_KEYS.some((name) => name in header)) {
    throw proofRefused('dpop_jwk');
  }
  if (PRIVATE.some((name) => name in jwk)) throw proofRefused('dpop_private_key');
  return readPoint(jwk as JsonObject);
}

function readPoint({ kty, crv, x, y }: JsonObject): { readonly x: string; readonly y: string } {
  if (kty !== 'EC' || crv !== 'P-256' || !isCoordinate(x) || !isCoordinate(y)) {
    throw proofRefused('dpop_jwk');
  }
  return { x, y };
}

/** Requires the canonical encoding, because a thumbprint is computed over the text. */
function isCoordinate(value: unknown): value is string {
  if (typeof value !== 'string') return false;
  const bytes = Buffer.from(value, 'base64url');
  return bytes.length === COORDINATE_BYTES && bytes.toString('base64url') === value;
}
