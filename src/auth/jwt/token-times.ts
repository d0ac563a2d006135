import { tokenRefused } from '../token-refused.ts';
import type { TokenRefusal } from '../token-refused.ts';
import type { JsonObject } from '../../domain/strict-json.ts';

/** Clock skew between us and the API server. */
const TOLERANCE_MS = 30_000;

/** Milliseconds since the epoch. */
export interface TokenTimes {
  readonly issuedAt: number;
  readonly endsAt: number;
}

/** @throws ERR_TOKEN_INVALID `exp_invalid`, `iat_invalid`, `nbf_invalid`, `lifetime_exceeded`, `expired`, `not_yet_valid`. */
export function readTokenTimes(
  claims: JsonObject,
  maxLifetimeSeconds: number,
  now: number,
): TokenTimes {
  const exp = secondsOf(claims['exp'], 'exp_invalid');
  const iat = secondsOf(claims['iat'], 'iat_invalid');
  const nbf = claims['nbf'] === undefined ? iat : secondsOf(claims['nbf'], 'nbf_invalid');
  if (exp <= iat) throw tokenRefused('exp_invalid');
  if (exp - iat > maxLifetimeSeconds) throw tokenRefused('lifetime_exceeded');
  if (exp * 1000 <= now - TOLERANCE_MS) throw tokenRefused('expired');
  if (Math.max(iat, nbf) * 1000 > now + TOLERANCE_MS) throw tokenRefused('not_yet_valid');
  return { issuedAt: iat * 1000, endsAt: exp * 1000 };
}

/** NumericDate may be any number; `1e999`, fractions and text are how verifiers were fooled into "never expires". */
function secondsOf(value: unknown, reason: TokenRefusal): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw tokenRefused(reason);
  }
  return value;
}
