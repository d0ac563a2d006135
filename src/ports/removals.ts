/** Scope of a quarantine in an audit entry. */
export interface RemovedScope {
  readonly kind: 'workload' | 'pod' | 'operator';
  readonly subject: string;
}

/** A quarantine that a newer log proves. */
export interface ProvenQuarantine extends RemovedScope {
  readonly id: string;
  readonly reason: string;
  readonly createdBy: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Undefined: until an operator lifts it. */
  readonly endsAt: number | undefined;
}

/** Removals and restrictions after a backup, as a newer log proves them. A restored store does not have them. */
export interface Removals {
  readonly documents: readonly { readonly kind: string; readonly name: string }[];
  /** Ids of operator tokens and of the sessions of people. */
  readonly tokens: readonly string[];
  /** Ids of security keys. */
  readonly securityKeys: readonly string[];
  /** Ids of the sessions of workloads. */
  readonly sessions: readonly string[];
  readonly quarantines: readonly ProvenQuarantine[];
}
