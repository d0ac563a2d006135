import type { Tables } from './tables.ts';

/** Chains and signs the entries of each commit with the key of this boot. The store calls it under its lock. */
export interface AuditChain {
  /**
   * Returns the row for this commit: entries with `writer`, `seq` and `prev` filled in, and a signed head. It continues the last staged batch, or the last
   * durable one.
   */
  stage(bodies: readonly string[]): Tables['audit_batches'];
  /** The oldest staged batch is durable. */
  keep(): void;
  /** The newest staged batch was certainly not committed. */
  drop(): void;
}
