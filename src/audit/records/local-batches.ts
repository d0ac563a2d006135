import type { ChainedBatch } from './chained-batch.ts';

type Listener = (batch: ChainedBatch) => void;

/**
 * Passes this boot's committed batches from its chain to its integrator without the store. Reading and checking its own entries again cost
 * a third of the processor time of a read (measured). Keeps nothing: batches without a listener are read from the store.
 */
export class LocalBatches {
  readonly #listeners = new Set<Listener>();

  /** Reports a durable batch of this boot. */
  committed(batch: ChainedBatch): void {
    for (const listener of this.#listeners) listener(batch);
  }

  /** Passes each later batch to `listener`, in order, within the commit; it must not throw. The returned function stops it. */
  follow(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}
