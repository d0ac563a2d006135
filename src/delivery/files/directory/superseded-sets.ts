import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import { deliveryFailure } from '../../failures.ts';
import type { FileSet } from './file-set.ts';

/** A reader that resolved `..data` before the swap finds its files for this time. */
const LINGER_MS = 1_000;
/** Delay before the removal of a set is retried. */
const RETRY_MS = 60_000;

export interface DirectoryDeps {
  readonly clock: Clock;
  readonly log: Pick<Log, 'warn'>;
}

/** Replaced sets, until they are removed. */
export class SupersededSets {
  readonly #deps: DirectoryDeps;
  /** Superseded sets, each with the function that cancels its timer. */
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

  /** Removes a set, now or as soon as possible. */
  end(set: FileSet): void {
    if (this.#isRemoved(set)) {
      this.#sets.delete(set);
      set.close();
    } else this.#endAfter(RETRY_MS, set);
  }

  /** Removes all now; failures are ignored. */
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

  /** @returns whether it was removed completely */
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
