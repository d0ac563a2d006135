import type { CallContext } from '../ports/call-context.ts';
import type { Clock } from '../ports/clock.ts';
import type { AttestedWorkload, WorkloadAuthenticator } from '../ports/workload-authenticator.ts';
import type { JwksVerifier } from './jwks/jwks-verifier.ts';
import { parseCompactToken } from './jwt/compact-token.ts';
import { readTokenClaims } from './jwt/token-claims.ts';
import type { TokenClaims, TokenRules } from './jwt/token-claims.ts';
import { readTokenHeader } from './jwt/token-header.ts';
import { requireAgreement } from './token-review/agree.ts';
import type { TokenReviewer } from './token-review/token-reviewer.ts';

/** The checks of this cluster's tokens: `verifier` for `jwks`, `reviewer` for `token-review`, and `both`. */
export interface ClusterChecks {
  readonly verifier?: JwksVerifier;
  readonly reviewer?: TokenReviewer;
}

/** Logins of one cluster. It uses only that cluster's keys, issuer and API server. */
export class ClusterAuthenticator implements WorkloadAuthenticator {
  readonly #cluster: { readonly name: string; readonly rules: TokenRules };
  readonly #checks: ClusterChecks;
  readonly #method: AttestedWorkload['method'];
  readonly #clock: Clock;

  constructor(
    cluster: { readonly name: string; readonly rules: TokenRules },
    method: AttestedWorkload['method'],
    checks: ClusterChecks,
    clock: Clock,
  ) {
    this.#cluster = cluster;
    this.#method = method;
    this.#checks = checks;
    this.#clock = clock;
  }

  async authenticate(token: string, context: CallContext): Promise<AttestedWorkload> {
    const { verifier, reviewer } = this.#checks;
    const payload = await (verifier?.verify(token, context) ?? unverifiedPayload(token));
    const claims = this.#read(payload);
    if (reviewer !== undefined) {
      requireAgreement(claims, await reviewer.review(token, context.signal));
      // The review took time, and the token may have expired meanwhile.
      this.#read(payload);
    }
    return {
      workload: claims.workload,
      tokenEndsAt: claims.endsAt,
      tokenIssuedAt: claims.issuedAt,
      audiences: claims.audiences,
      method: this.#method,
      ...(claims.tokenId !== undefined && { tokenId: claims.tokenId }),
    };
  }

  close(): void {
    this.#checks.verifier?.close();
  }

  #read(payload: Uint8Array): TokenClaims {
    return readTokenClaims(payload, this.#cluster.name, this.#cluster.rules, this.#clock.now());
  }
}

/** Attacker-controlled: trusted only if the API server's review confirms it. Refuses malformed tokens before they cost a request. */
function unverifiedPayload(token: string): Uint8Array {
  const { header, payload } = parseCompactToken(token);
  readTokenHeader(header);
  return payload;
}
