/** Capabilities that a rule grants or denies, each separately: none implies another. */
export const CAPABILITIES = ['read', 'list', 'write', 'rotate'] as const;
export type Capability = (typeof CAPABILITIES)[number];

export const DAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
export type Day = (typeof DAYS)[number];

export const POLICY_API_VERSION = 'quaymaster.dev/v1';
export const POLICY_KIND = 'AccessPolicy';

/** A validated policy document, with the fields of the document; internals/spec/access-policy-v1.md defines it. */
export interface AccessPolicy {
  readonly apiVersion: typeof POLICY_API_VERSION;
  readonly kind: typeof POLICY_KIND;
  readonly metadata: { readonly name: string; readonly description?: string };
  readonly spec: {
    readonly subjects: readonly PolicySubject[];
    readonly rules: readonly PolicyRule[];
  };
}

/** Callers that a policy is about: service accounts of Kubernetes clusters, or identities of OIDC clusters. */
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

/** One rule of a policy. It applies to a path that matches any of its patterns. */
export interface PolicyRule {
  readonly name?: string;
  readonly effect: 'allow' | 'deny';
  readonly paths: readonly string[];
  readonly capabilities: readonly Capability[];
  /** A whole number and one of `s m h d`, for example `15m`. */
  readonly maxLeaseTtl?: string;
  readonly conditions?: PolicyConditions;
}

/** All conditions that are present must hold; for a list, one member is enough. */
export interface PolicyConditions {
  readonly sourceCidrs?: readonly string[];
  readonly timeWindows?: readonly PolicyTimeWindow[];
  /**
   * Requires that values are sealed to a key of the caller (`true` in an allow), or denies access if they are not (`false` in a deny). The other two
   * combinations are refused as mistakes.
   */
  readonly sealedDelivery?: boolean;
}

/** Wall-clock hours of a zone: `from` is included, `to` is not. If `to` is before `from`, the window runs past midnight. */
export interface PolicyTimeWindow {
  /** The days on which the window starts; all seven when absent. */
  readonly days?: readonly Day[];
  readonly from: string;
  readonly to: string;
  readonly timeZone: string;
}

/** A policy as the store keeps it; a decision names its version. */
export interface StoredPolicy {
  readonly name: string;
  readonly version: number;
  readonly policy: AccessPolicy;
}

/** A policy that was validated before it was stored. Its rules are parsed when they are needed. */
export interface SavedPolicy {
  readonly name: string;
  readonly version: number;
  /** The document as it was saved. */
  readonly body: unknown;
  readonly policy: () => AccessPolicy;
}
