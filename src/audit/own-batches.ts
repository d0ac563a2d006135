import type { ChainedBatch } from './chained-batch.ts';

type Listener = (batch: ChainedBatch) => void;

/**
 * Carries what this boot committed from its chain to its integrator, past the store: reading and checking again what this very process
 * chained cost a third of the processor time of a read (measured). Keeps nothing: batches without a listener are read from the store.
 */
export class OwnBatches {
  readonly #listeners = new Set<Listener>();

  /** A batch of this boot is durable. */
  committed(batch: ChainedBatch): void {
    for (const listener of this.#listeners) listener(batch);
  }

  /** From now on `listener` receives each batch, in order, within the commit; it must not throw. The returned function stops that. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
