import type { Tables } from '../../ports/tables.ts';

/** A batch with a valid chain, and its entries as texts. This process either wrote the chain or recomputed it. */
export interface ChainedBatch {
  readonly row: Tables['audit_batches'];
  readonly entries: readonly string[];
}
