import type { Change } from '../ports/store.ts';

/** Keys remembered one by one; decisions older than the oldest of them are taken for stale. */
const REMEMBERED_KEYS = 65_536;

type Listener = (changes: readonly Change[]) => void;

/** The fence key of a committed narrowing, as plans name it. */
export function fenceKeyOf(change: Change): string {
  return change.key === '' ? change.kind : `${change.kind}:${change.key}`;
}

/** What a fence key is stored as: `session:ses_1` is of kind `session`; one without a colon is all kind. */
export function splitFenceKey(fenceKey: string): { readonly kind: string; readonly key: string } {
  const colon = fenceKey.indexOf(':');
  if (colon === -1) return { kind: fenceKey, key: '' };
  return { kind: fenceKey.slice(0, colon), key: fenceKey.slice(colon + 1) };
}

/** The committed narrowings this process knows: the memory of the fence, and those who want to hear of them. */
export class ChangeFeed {
  #seq: number;
  /** Decisions made before this number cannot be checked any more. */
  #floor: number;
  readonly #limit: number;
  /** In the order of their last change, so that the oldest is dropped first. */
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

  /** Whether one of `reads` was narrowed after `decidedAt`, or nobody can tell. */
  isNarrowed(reads: readonly string[], decidedAt: number): boolean {
    if (decidedAt >= this.#seq || reads.length === 0) return false;
    if (decidedAt < this.#floor) return true;
    return reads.some((key) => (this.#lastChange.get(key) ?? 0) > decidedAt);
  }

  /** Takes committed changes in: the fence first, then the listeners, in one go, so that `seq` never runs ahead of a cache. */
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
    const key = fenceKeyOf(change);
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

/** A listener that throws may have left its cache stale; that is a defect to die of, but not in the middle of a commit. */
function notify(listener: Listener, changes: readonly Change[]): void {
  try {
    listener(changes);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
