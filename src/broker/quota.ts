import { LRUCache } from 'lru-cache';
import type { BrokerError } from '../domain/errors.ts';

const COUNTED_HOLDERS = 50_000;
/** Of a quota: after so many were taken, the store is counted again. It knows what other replicas granted, and what has ended. */
const COUNT_AGAIN = 1 / 16;

export interface QuotaRules {
  /** How many one holder may have. */
  readonly most: number;
  /** What the store has for a holder now. */
  readonly count: (holder: string) => Promise<number>;
  /** Taken by a holder before the store is counted for the first time; none unless given. */
  readonly uncounted?: number;
}

interface Account {
  /** What the store had when it was last counted, and what was taken here since. */
  held: number;
  /** What may be taken until the store is counted again. */
  room: number;
  /** Taken here and not known to be in the store. */
  pending: number;
  counting: Promise<void> | undefined;
}

/**
 * How much of something each holder has: taken from a count that is too high rather than too low, and that is read again before anybody is
 * refused. What ends is not subtracted, since the next count knows.
 */
export class Quota {
  readonly #rules: QuotaRules;
  readonly #accounts = new LRUCache<string, Account>({ max: COUNTED_HOLDERS });

  constructor(rules: QuotaRules) {
    this.#rules = rules;
  }

  /**
   * Takes one, which counts until the store does: call what is returned when its plan committed or will not.
   * @throws what `full` makes when the holder has as many as it may.
   */
  async take(holder: string, full: (most: number) => BrokerError): Promise<() => void> {
    const { most } = this.#rules;
    const account = this.#account(holder);
    while (account.room === 0) {
      account.counting ??= this.#count(holder, account);
      await account.counting;
      if (account.held >= most) throw full(most);
    }
    account.room -= 1;
    account.held += 1;
    account.pending += 1;
    return () => {
      account.pending -= 1;
    };
  }

  #account(holder: string): Account {
    const known = this.#accounts.get(holder);
    if (known !== undefined) return known;
    const { most, uncounted = 0 } = this.#rules;
    const room = Math.min(uncounted, most);
    const account = { held: 0, room, pending: 0, counting: undefined };
    this.#accounts.set(holder, account);
    return account;
  }

  async #count(holder: string, account: Account): Promise<void> {
    const { most } = this.#rules;
    try {
      const stored = await this.#rules.count(holder);
      account.held = stored + account.pending;
      account.room = Math.min(Math.max(0, most - account.held), share(most));
    } finally {
      account.counting = undefined;
    }
  }
}

/** What of a quota is taken between two counts. */
export function share(most: number): number {
  return Math.ceil(most * COUNT_AGAIN);
}
