import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import { deliveryFailure } from '../../failures.ts';
import type { FileSet } from './file-set.ts';

/** A reader that resolved `..data` before the swap still finds its files so long. */
const LINGER_MS = 1_000;
/** A set that could not be removed is tried again after this. */
const AGAIN_MS = 60_000;

export interface DirectoryDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

/** Sets that were swapped out, until they are removed. */
export class SupersededSets {
  readonly #deps: DirectoryDeps;
  /** And how to stop waiting for the end of each. */
  readonly #sets = new Map<FileSet, () => void>();

  constructor(deps: DirectoryDeps) {
    this.#deps = deps;
  }

  get all(): readonly FileSet[] {
    return [...this.#sets.keys()];
  }

  add(set: FileSet): void {
    this.#endAfter(LINGER_MS, set);
  }

  /** Removes one, now or as soon as that can be done. */
  end(set: FileSet): void {
    if (this.#isRemoved(set)) {
      this.#sets.delete(set);
      set.close();
    } else this.#endAfter(AGAIN_MS, set);
  }

  /** Removes them now; what cannot be stays. */
  close(): void {
    for (const [set, forget] of this.#sets) {
      forget();
      this.#isRemoved(set);
      set.close();
    }
    this.#sets.clear();
  }

  #endAfter(ms: number, set: FileSet): void {
    this.#sets.set(
      set,
      this.#deps.clock.after(ms, () => this.end(set)),
    );
  }

  /** @returns whether nothing is left of it */
  #isRemoved(set: FileSet): boolean {
    try {
      set.remove();
      return true;
    } catch (error) {
      const { message } = deliveryFailure(set.name, error);
      this.#deps.log.warn({ error: message }, 'files that were replaced cannot be removed');
      return false;
    }
  }
}
