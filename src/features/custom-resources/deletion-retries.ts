import { BrokerError } from '../../domain/errors.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import type { Clock } from '../../ports/clock.ts';
import { objectKey, type Resource } from './cluster-object.ts';

const FIRST_MS = 2_000;
const LONGEST_MS = 5 * 60_000;

type Place = Parameters<typeof objectKey>[0];

interface FailedDeletion {
  readonly attempts: number;
  /** Monotonic milliseconds of the next attempt. */
  readonly at: number;
  readonly cause: string;
  readonly isHold: boolean;
}

/** Deletions that failed, by object. Each attempt writes an entry to the audit log, so the pause between two of them doubles. */
export class DeletionRetries {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #failed = new Map<string, FailedDeletion>();

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  isDue(place: Place): boolean {
    const failed = this.#failed.get(objectKey(place));
    return failed === undefined || this.#clock.monotonic() >= failed.at;
  }

  /** Reports whether the mark could not be written. If the others have their marks, this one alone would be below the limit. */
  isHold(place: Place): boolean {
    return this.#failed.get(objectKey(place))?.isHold === true;
  }

  /** @returns the cause, unless the last attempt failed for the same one. */
  failed(place: Place, error: unknown, isHold: boolean): string | undefined {
    const known = this.#failed.get(objectKey(place));
    const attempts = known?.attempts ?? 0;
    const at = this.#clock.monotonic() + doubledDelay(FIRST_MS, LONGEST_MS, attempts);
    const { code, message } = BrokerError.from(error);
    const cause = `${code} ${message}`;
    this.#failed.set(objectKey(place), { attempts: attempts + 1, at, cause, isHold });
    return cause === known?.cause ? undefined : cause;
  }

  /** The object exists again. */
  forget(place: Place): void {
    this.#failed.delete(objectKey(place));
  }

  /** Forgets the objects of the kind that are not among these. */
  keepOnly({ plural }: Resource, places: readonly Place[]): void {
    const kept = new Set(places.map(objectKey));
    for (const key of this.#failed.keys()) {
      if (key.startsWith(`${plural}/`) && !kept.has(key)) this.#failed.delete(key);
    }
  }
}
