import type { CallContext } from '../ports/call-context.ts';
import type { Clock } from '../ports/clock.ts';
import type { AttestedWorkload, WorkloadAuthenticator } from '../ports/workload-authenticator.ts';
import type { JwksVerifier } from './jwks/jwks-verifier.ts';
import { readOidcClaims, type OidcRules } from './jwt/oidc-claims.ts';

/** Logins of one cluster of type `oidc`. It uses only that cluster's keys and issuer. */
export class OidcAuthenticator implements WorkloadAuthenticator {
  readonly #cluster: { readonly name: string; readonly rules: OidcRules };
  readonly #verifier: JwksVerifier;
  readonly #clock: Clock;

  constructor(
    cluster: { readonly name: string; readonly rules: OidcRules },
    verifier: JwksVerifier,
    clock: Clock,
  ) {
    this.#cluster = cluster;
    this.#verifier = verifier;
    this.#clock = clock;
  }

  async authenticate(token: string, context: CallContext): Promise<AttestedWorkload> {
    const payload = await this.#verifier.verify(token, context);
    const { name, rules } = this.#cluster;
    const { endsAt, issuedAt, ...claims } = readOidcClaims(payload, name, rules, this.#clock.now());
    return { ...claims, tokenEndsAt: endsAt, tokenIssuedAt: issuedAt, method: 'jwks' };
  }

  close(): void {
    this.#verifier.close();
  }
}
