import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';
import { parseCompactToken } from '../jwt/compact-token.ts';
import { CLOCK_SKEW_MS, readAudiences, readTimes, secondsOf } from '../jwt/token-claims.ts';
import { readTokenHeader } from '../jwt/token-header.ts';
import { tokenRefused } from '../token-refused.ts';

/** Algorithms of ID tokens besides those of Kubernetes. The library verifies the signature; none of them is symmetric. */
const MORE_ALGORITHMS: ReadonlySet<string> = new Set(['PS256', 'PS384', 'PS512', 'EdDSA']);
/** The nonce binds a token to a login of ten minutes, so this bound only refuses absurd times. */
const LONGEST_LIFETIME_SECONDS = 366 * 86_400;

/**
 * Reads an ID token with the same code as the tokens of pods, so that both refuse the same texts: numbers such as `1e999`, duplicate
 * names, a byte order mark, padding. The library that verified the signature and the nonce reads tokens more leniently.
 * @throws ERR_TOKEN_INVALID
 */
export function readIdToken(
  token: string,
  { issuer, clientId }: { readonly issuer: string; readonly clientId: string },
  now: number,
): JsonObject {
  const { header, payload } = parseCompactToken(token);
  readTokenHeader(header, { algorithms: MORE_ALGORITHMS, isKeyIdOptional: true });
  const claims = parseStrictObject(payload, tokenRefused);
  if (claims['iss'] !== issuer) throw tokenRefused('iss_mismatch');
  const rules = { audiences: [clientId], allowSeveralAudiences: true };
  const audiences = readAudiences(claims['aud'], rules);
  requireAuthorizedParty(claims['azp'], audiences, clientId);
  readTimes(claims, LONGEST_LIFETIME_SECONDS, now);
  requirePastLogin(claims['auth_time'], now);
  if (typeof claims['sub'] !== 'string' || claims['sub'] === '')
    throw tokenRefused('claim_invalid');
  return claims;
}

/** OpenID Connect Core §3.1.3.7, steps 4 and 5: the token must not have been issued for another client. */
function requireAuthorizedParty(
  azp: unknown,
  audiences: readonly string[],
  clientId: string,
): void {
  const isAbsent = azp === undefined && audiences.length === 1;
  if (!isAbsent && azp !== clientId) throw tokenRefused('azp_mismatch');
}

/** A login in the future, or in milliseconds, would count as recent until that time, so step-up would never ask again. */
function requirePastLogin(authTime: unknown, now: number): void {
  if (authTime === undefined) return;
  const at = secondsOf(authTime, 'auth_time');
  if (at * 1000 > now + CLOCK_SKEW_MS) throw tokenRefused('auth_time');
}
