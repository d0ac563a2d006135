/** A registered token issuer: what operators say of it through the API. Hosts and credentials stay in the connection it names. */
export interface ClusterSpec {
  /** A `kubernetes` or `jwks` connection of the configuration file. */
  readonly connection: string;
  /** Compared as a string, never as a pattern. */
  readonly issuer: string;
  /** At least one; a token for several audiences is refused unless `allowSeveralAudiences`. */
  readonly audiences: readonly string[];
  readonly allowSeveralAudiences: boolean;
  readonly mode: 'jwks' | 'token-review' | 'both';
  /** Longest `exp - iat` accepted, seconds. */
  readonly maxTokenLifetimeSeconds: number;
  /** Tokens without a pod may log in, for static reads only. */
  readonly allowWithoutPod: boolean;
  readonly podWatch: boolean;
}
