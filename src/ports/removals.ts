/** Scope of a quarantine in an audit entry. */
export interface RemovedScope {
  readonly kind: 'workload' | 'pod' | 'operator';
  readonly subject: string;
}

/** A quarantine that a newer log proves. */
export interface ProvenQuarantine extends RemovedScope {
  readonly id: string;
  /** `suspended`: a response beyond the limits of its source made it. */
  readonly mode: 'suspended' | undefined;
  /** The alert whose response made it. */
  readonly alert: string | undefined;
  readonly reason: string;
  readonly createdBy: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Undefined: until an operator lifts it. */
  readonly endsAt: number | undefined;
}

/** A document that was deleted. */
export interface RemovedDocument {
  readonly kind: string;
  readonly name: string;
  /** True: it was written again later. The log does not have the text. */
  readonly isWrittenAgain: boolean;
}

/** Removals and restrictions after a backup, as a newer log proves them. A restored store does not have them. */
export interface Removals {
  readonly documents: readonly RemovedDocument[];
  /** Ids of operator tokens and of the sessions of people. */
  readonly tokens: readonly string[];
  /** Ids of security keys. */
  readonly securityKeys: readonly string[];
  /** Ids of the sessions of workloads. */
  readonly sessions: readonly string[];
  readonly quarantines: readonly ProvenQuarantine[];
  /** Ids of signatures of images and of attestations. */
  readonly attestations: readonly string[];
  /** Ids of reports about images that a caller deleted. */
  readonly evidence: readonly string[];
  /** Ids of requests and elevations that were denied, withdrawn or used. */
  readonly approvals: readonly string[];
  /** Ids of wrapped answers that were opened. */
  readonly wrappings: readonly string[];
}
