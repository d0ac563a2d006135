import type { Workload } from '../identity/workload.ts';

/** The identity that acted. Facts of a workload come from its verified token only. */
export type AuditActor =
  | {
      readonly kind: 'workload';
      readonly workload: Workload;
      readonly session?: string | undefined;
    }
  | { readonly kind: 'operator'; readonly operator: string; readonly token: string }
  /** A part of the broker that acts without a request: expiry, pod-watch, revoker, integrator, broker, … */
  | { readonly kind: 'system'; readonly name: string }
  | { readonly kind: 'unauthenticated' };

/** Facts that a request states about itself. Only the address is verified: it comes from the connection, or from a trusted proxy. */
export interface ClientFacts {
  readonly address: string;
  /** `vault`: the request came over the listener for clients of the Vault HTTP API. Undefined: over the broker's own API. */
  readonly face?: 'vault' | undefined;
  readonly userAgent?: string | undefined;
  /** The `X-Request-Id` that the client sent: a hint for its owner, never an identity. */
  readonly requestId?: string | undefined;
  readonly method?: string | undefined;
  /** Path of the request target, without its query, which may contain a token. */
  readonly target?: string | undefined;
}
