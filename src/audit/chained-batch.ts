import type { Tables } from '../ports/tables.ts';

/** A batch whose chain is known to hold, with its entries as texts: this process chained it, or recomputed it. */
export interface ChainedBatch {
  readonly row: Tables['audit_batches'];
  readonly entries: readonly string[];
}
