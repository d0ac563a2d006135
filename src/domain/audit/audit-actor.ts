import type { Workload } from '../identity/workload.ts';

/** The identity that acted. Facts of a workload come from its verified token only. */
export type AuditActor =
  | {
      readonly kind: 'workload';
      readonly workload: Workload;
      readonly session?: string | undefined;
    }
  | { readonly kind: 'operator'; readonly operator: string; readonly token: string }
  /** Part of the broker that acts by itself: expiry, pod-watch, revoker, integrator, broker, … */
  | { readonly kind: 'system'; readonly name: string }
  | { readonly kind: 'unauthenticated' };

/** What a request says of itself: nothing of it is verified but the address, which is the peer's or a trusted proxy's word. */
export interface ClientFacts {
  readonly address: string;
  readonly userAgent?: string | undefined;
  /** The client's own `X-Request-Id`: a hint for its owner, never an identity. */
  readonly requestId?: string | undefined;
  readonly method?: string | undefined;
  /** Path of the request target, without its query: a query may hold a token. */
  readonly target?: string | undefined;
}
