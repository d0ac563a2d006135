import type { ClaimMapping, OidcClusterSpec } from '../../domain/identity/cluster.ts';
import { identitySegment, isIdentity, type OidcWorkload } from '../../domain/identity/workload.ts';
import { parseStrictObject, type JsonObject } from '../../domain/text/strict-json.ts';
import { tokenRefused } from '../token-refused.ts';
import { readAudiences, readTimes, readTokenId } from './token-claims.ts';

export type OidcRules = Omit<OidcClusterSpec, 'type' | 'connection'>;

/** The claims of a token. They are true only if its signature was checked. */
export interface OidcClaims {
  readonly workload: OidcWorkload;
  readonly audiences: readonly string[];
  /** Milliseconds since the epoch, as `endsAt`. */
  readonly issuedAt: number;
  readonly endsAt: number;
  readonly tokenId?: string;
}

/**
 * Checks the payload of a token of an OIDC cluster against its rules at `now`, in milliseconds, and maps its claims to an identity. `iat` is
 * optional, because a JWT-SVID may lack it (SPIFFE JWT-SVID §3.3).
 * @throws ERR_TOKEN_INVALID
 */
export function readOidcClaims(
  payload: Uint8Array,
  cluster: string,
  rules: OidcRules,
  now: number,
): OidcClaims {
  const claims = parseStrictObject(payload, tokenRefused);
  if (claims['iss'] !== rules.issuer) throw tokenRefused('iss_mismatch');
  const audiences = readAudiences(claims['aud'], rules);
  const times = readTimes(claims, rules.maxTokenLifetimeSeconds, now, true);
  textOf(claims, 'sub');
  requireClaims(claims, rules.requiredClaims);
  const identity = rules.identity.flatMap((mapping) => segmentsOf(claims, mapping));
  if (!isIdentity(identity)) throw tokenRefused('identity_invalid');
  const tokenId = readTokenId(claims['jti']);
  return {
    ...times,
    audiences,
    workload: { cluster, identity },
    ...(tokenId !== undefined && { tokenId }),
  };
}

function requireClaims(claims: JsonObject, required: OidcRules['requiredClaims']): void {
  for (const [claim, values] of Object.entries(required)) {
    if (!Object.hasOwn(claims, claim)) throw tokenRefused('claim_missing');
    if (!values.some((value) => value === claims[claim])) throw tokenRefused('claim_mismatch');
  }
}

/** Reads a claim as text. Any other type than a string would become text in more than one way, such as `[["a"]]` and `"a"`. */
function textOf(claims: JsonObject, claim: string): string {
  if (!Object.hasOwn(claims, claim)) throw tokenRefused('claim_missing');
  const value = claims[claim];
  if (typeof value !== 'string' || value === '') throw tokenRefused('claim_invalid');
  return value;
}

function segmentsOf(claims: JsonObject, { claim, prefix = '', parts }: ClaimMapping): string[] {
  const value = textOf(claims, claim);
  if (!value.startsWith(prefix)) throw tokenRefused('claim_mismatch');
  const rest = value.slice(prefix.length);
  const texts = parts === 1 ? [rest] : rest.split('/');
  if (parts !== 'any' && texts.length !== parts) throw tokenRefused('identity_invalid');
  return texts.map((text) => {
    const segment = identitySegment(text);
    if (segment === undefined) throw tokenRefused('identity_invalid');
    return segment;
  });
}
