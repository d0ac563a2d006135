/** What a rule speaks of; each is granted by itself, none implies another. */
export const CAPABILITIES = ['read', 'list', 'write', 'rotate'] as const;
export type Capability = (typeof CAPABILITIES)[number];

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export const POLICY_API_VERSION = 'quaymaster.dev/v1';
export const POLICY_KIND = 'AccessPolicy';

/** A validated policy document, field by field as written; docs/spec/access-policy-v1.md defines it. */
export interface AccessPolicy {
  readonly apiVersion: typeof POLICY_API_VERSION;
  readonly kind: typeof POLICY_KIND;
  readonly metadata: { readonly name: string; readonly description?: string };
  readonly spec: {
    readonly subjects: readonly PolicySubject[];
    readonly rules: readonly PolicyRule[];
  };
}

/** Whom a policy speaks of: service accounts of Kubernetes clusters, or identities of OIDC clusters. */
export type PolicySubject = KubernetesSubject | OidcSubject;

/** Clusters are literal names, namespaces and service accounts globs, labels exact. */
export interface KubernetesSubject {
  readonly clusters: readonly string[];
  readonly namespaces: readonly string[];
  readonly serviceAccounts: readonly string[];
  readonly podLabels?: Readonly<Record<string, string>>;
}

/** Clusters are literal names, identities patterns: the first segment literal, the others globs. */
export interface OidcSubject {
  readonly clusters: readonly string[];
  readonly identities: readonly string[];
}

/** What a policy says. Every path pattern is tried; any of them is enough. */
export interface PolicyRule {
  readonly name?: string;
  readonly effect: 'allow' | 'deny';
  readonly paths: readonly string[];
  readonly capabilities: readonly Capability[];
  /** A whole number and one of `s m h d`, for example `15m`. */
  readonly maxLeaseTtl?: string;
  readonly conditions?: PolicyConditions;
}

/** Each condition present must hold; of a list, any member is enough. */
export interface PolicyConditions {
  readonly sourceCidrs?: readonly string[];
  readonly timeWindows?: readonly PolicyTimeWindow[];
  /** Whether values go out sealed to a key of the caller's. `true` in an allow, `false` in a deny: the other two say nothing sensible. */
  readonly sealedDelivery?: boolean;
}

/** Wall-clock hours of a zone, `from` included and `to` not; `to` before `from` runs past midnight. */
export interface PolicyTimeWindow {
  /** The days on which the window starts; all seven when absent. */
  readonly days?: readonly Day[];
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

/** A policy as the store keeps it: the version is what a decision names. */
export interface StoredPolicy {
  readonly name: string;
  readonly version: number;
  readonly policy: AccessPolicy;
}

/** A policy that was validated before it was stored. Its rules are parsed when they are needed. */
export interface SavedPolicy {
  readonly name: string;
  readonly version: number;
  /** As it was saved. */
  readonly body: unknown;
  readonly policy: () => AccessPolicy;
}
