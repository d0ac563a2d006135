import type { Change } from '../../ports/store.ts';

/** The number of fence keys in memory. Decisions older than the oldest key count as stale. */
const REMEMBERED_KEYS = 65_536;

type Listener = (changes: readonly Change[]) => void;

/** The fence key of a committed invalidation, as plans name it. */
export function fenceKeyOf(change: Change): string {
  return change.key === '' ? change.kind : `${change.kind}:${change.key}`;
}

/** Splits a fence key into its stored columns: `session:ses_1` has the kind `session`; a key without a colon is only a kind. */
export function splitFenceKey(fenceKey: string): { readonly kind: string; readonly key: string } {
  const colon = fenceKey.indexOf(':');
  if (colon === -1) return { kind: fenceKey, key: '' };
  return { kind: fenceKey.slice(0, colon), key: fenceKey.slice(colon + 1) };
}

/** The committed invalidations that this process knows, and the listeners for new ones. The fence checks decisions against them. */
export class ChangeFeed {
  #seq: number;
  /** The feed can no longer check decisions made before this number. */
  #floor: number;
  readonly #limit: number;
  /** Ordered by last change, so that the oldest is dropped first. */
  readonly #lastChange = new Map<string, number>();
  readonly #listeners = new Set<Listener>();

  constructor(seq: number, limit: number = REMEMBERED_KEYS) {
    this.#seq = seq;
    this.#floor = seq;
    this.#limit = limit;
  }

  get seq(): number {
    return this.#seq;
  }

  /** Returns true if an invalidation of one of `reads` came after `decidedAt`, or if the feed can no longer check that. */
  isInvalidated(reads: readonly string[], decidedAt: number): boolean {
    if (decidedAt >= this.#seq || reads.length === 0) return false;
    if (decidedAt < this.#floor) return true;
    return reads.some((key) => (this.#lastChange.get(key) ?? 0) > decidedAt);
  }

  /** Applies committed changes to the fence first and then to the listeners, synchronously, so that `seq` never runs ahead of a cache. */
  apply(changes: readonly Change[]): void {
    const fresh = changes.filter((change) => change.seq > this.#seq);
    if (fresh.length === 0) return;
    for (const change of fresh) this.#remember(change);
    for (const listener of this.#listeners) notify(listener, fresh);
  }

  watch(listener: Listener): () => void {
    const own: Listener = (changes) => listener(changes);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  #remember(change: Change): void {
    // A flat copy: the joined parts would keep the text of their row in memory.
    const key = Buffer.from(fenceKeyOf(change)).toString();
    this.#seq = change.seq;
    this.#lastChange.delete(key);
    this.#lastChange.set(key, change.seq);
    if (this.#lastChange.size <= this.#limit) return;
    for (const [oldest, seq] of this.#lastChange) {
      this.#lastChange.delete(oldest);
      this.#floor = seq;
      return;
    }
  }
}

/** A listener that throws may have left its cache stale. That defect must stop the process, but not in the middle of a commit. */
function notify(listener: Listener, changes: readonly Change[]): void {
  try {
    listener(changes);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
