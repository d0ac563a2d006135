import { LRUCache } from 'lru-cache';
import type { BrokerError } from '../../domain/errors.ts';
import { lruOptions } from './lru-options.ts';
import type { Eventually } from './eventually.ts';

const COUNTED_HOLDERS = 50_000;
/**
 * The share of a quota that a holder may take between two counts of the store. Only a count includes grants of other replicas,
 * and ends.
 */
const COUNT_AGAIN = 1 / 16;

export interface QuotaRules {
  /** The most that one holder may have. */
  readonly most: number;
  /** Counts the rows of a holder in the store. */
  readonly count: (holder: string) => Promise<number>;
  /** Number that a holder may take before the first count of the store; 0 by default. */
  readonly uncounted?: number;
}

interface Account {
  /** Count of the store at the last query, plus those that this process took since. */
  held: number;
  /** Number that may be taken before the next count of the store. */
  room: number;
  /** Number taken in this process, but possibly not in the store yet. */
  pending: number;
  counting: Promise<void> | undefined;
}

/**
 * Counts how much each holder has. The count in memory may be too high but not too low, because it does not subtract ends. The
 * quota therefore counts the store again before it refuses a caller.
 */
export class Quota {
  readonly #rules: QuotaRules;
  readonly #accounts = new LRUCache<string, Account>(lruOptions(COUNTED_HOLDERS));

  constructor(rules: QuotaRules) {
    this.#rules = rules;
  }

  /**
   * Takes one. The caller calls the returned function once its plan is committed or abandoned. Until then, the quota adds this one to the
   * count of the store.
   * @throws the error that `full` creates if the holder has as many as it may.
   */
  take(holder: string, full: (most: number) => BrokerError): Eventually<() => void> {
    const account = this.#account(holder);
    return account.room > 0 ? takeFrom(account) : this.#takeCounted(holder, account, full);
  }

  async #takeCounted(
    holder: string,
    account: Account,
    full: (most: number) => BrokerError,
  ): Promise<() => void> {
    const { most } = this.#rules;
    while (account.room === 0) {
      account.counting ??= this.#count(holder, account);
      await account.counting;
      if (account.held >= most) throw full(most);
    }
    return takeFrom(account);
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
      let before: number;
      do {
        // Nothing is taken while the store is counted. The count may or may not have the plans that are committed meanwhile, so they count twice rather than not at all.
        before = account.pending;
        account.held = (await this.#rules.count(holder)) + before;
      } while (account.held >= most && account.pending < before);
      account.room = Math.min(Math.max(0, most - account.held), share(most));
    } finally {
      account.counting = undefined;
    }
  }
}

function takeFrom(account: Account): () => void {
  account.room -= 1;
  account.held += 1;
  account.pending += 1;
  return () => {
    account.pending -= 1;
  };
}

/** Computes how much of a quota may be taken between two counts. */
export function share(most: number): number {
  return Math.ceil(most * COUNT_AGAIN);
}
