/** A registered token issuer, as operators describe it through the API. Hosts and credentials stay in the connection that it names. */
export type ClusterSpec = KubernetesClusterSpec | OidcClusterSpec | SpiffeClusterSpec;

interface IssuerSpec {
  /** A connection of the configuration file. */
  readonly connection: string;
  /** Compared as a string, never as a pattern. */
  readonly issuer: string;
  /** One audience or more. A token for several audiences is refused unless `allowSeveralAudiences`. */
  readonly audiences: readonly string[];
  readonly allowSeveralAudiences: boolean;
  /** Longest `exp - iat` accepted, seconds. */
  readonly maxTokenLifetimeSeconds: number;
}

/** Service accounts of a Kubernetes cluster, over a connection of type `kubernetes` or `jwks`. */
export interface KubernetesClusterSpec extends IssuerSpec {
  readonly type: 'kubernetes';
  readonly mode: 'jwks' | 'token-review' | 'both';
  /** Tokens without a pod may log in, for static reads only. */
  readonly allowWithoutPod: boolean;
  readonly podWatch: boolean;
  /** Silence of the API server during which the last known facts of a pod are good. */
  readonly podFactsMaxAgeSeconds: number;
  /** The same for labels of pods and namespaces, which decide what a posture profile is for. */
  readonly podLabelsMaxAgeSeconds: number;
  /** Reports of the Trivy Operator in the cluster become evidence. */
  readonly trivyReports: boolean;
  /** The API server, for a connection of type `enrolled`; no other connection has it. */
  readonly apiServer?: DeclaredApiServer | undefined;
}

/** An API server for which the cluster itself gives the broker a credential. */
export interface DeclaredApiServer {
  readonly url: string;
  /** Certificates of its authority, PEM. Absent: the public roots. */
  readonly ca?: string | undefined;
  /** The only account whose tokens the broker accepts as its credential: `<namespace>/<name>`. */
  readonly serviceAccount: string;
}

export type EnrollingClusterSpec = KubernetesClusterSpec & {
  readonly apiServer: DeclaredApiServer;
};

/** Reports whether the cluster gives the broker its credential itself. */
export function isEnrolling(spec: ClusterSpec): spec is EnrollingClusterSpec {
  return spec.type === 'kubernetes' && spec.apiServer !== undefined;
}

/** Any OpenID Connect issuer, over a connection of type `jwks`: pipelines, virtual machines, SPIFFE. */
export interface OidcClusterSpec extends IssuerSpec {
  readonly type: 'oidc';
  /** Each claim must equal one of its values, in type too. */
  readonly requiredClaims: Readonly<Record<string, readonly ClaimValue[]>>;
  readonly identity: readonly ClaimMapping[];
}

/** A trust domain of SPIFFE, over a connection of type `spiffe`: its workloads log in with their X.509-SVIDs. */
export interface SpiffeClusterSpec {
  readonly type: 'spiffe';
  readonly connection: string;
  /** `spiffe://<trust domain>`. */
  readonly issuer: string;
}

export type ClaimValue = string | number | boolean;

/** A claim that becomes segments of the identity. */
export interface ClaimMapping {
  readonly claim: string;
  /** The value must start with this text, which the identity leaves out. */
  readonly prefix?: string;
  /**
   * Number of parts that the value has between its slashes; each becomes a segment. 1: the value is one segment, with its slashes encoded. Only the
   * last mapping may have `any`: otherwise two claims could share a slash differently and name the same identity.
   */
  readonly parts: number | 'any';
}

/** Prefix of the writer of documents that are copies of custom resources. No name of an operator or a person begins with it. */
export const CLUSTER_WRITER = 'kubernetes/';
/**
 * Suffix of the writer of a copy whose resource was deleted together with too many others: the broker keeps the document until an operator deletes
 * it. No name has a `#`.
 */
export const HELD_DELETION = '#deletion-held';
/** Suffix of such a writer if no resource of its namespace is left: the namespace is gone, and a policy of it allows nothing any more. */
export const SUSPENDED_DELETION = `#suspended${HELD_DELETION}`;
