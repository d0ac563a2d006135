import type { Tables } from './tables.ts';

/** Chains and signs what one commit records, in the name of this boot. The store calls it under its lock. */
export interface AuditChain {
  /** The one row of this commit: entries with `writer`, `seq` and `prev` filled in, head signed. Nothing moves until `keep`. */
  stage(bodies: readonly string[]): Tables['audit_batches'];
  /** The staged batch is durable. */
  keep(): void;
  /** The staged batch is known not to have been committed. */
  drop(): void;
}
