import { BrokerError } from '../../domain/errors.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Change, Store } from '../../ports/store.ts';
import type { DocumentKind } from '../model/kinds.ts';
import { documentOfChange, type Follower } from './followers.ts';

/** Parts of memory that follow changes, with everything that keeps them current. */
export interface Following {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly keyring: Keyring;
  /** Followers in the order in which they apply a change that several of them follow. */
  readonly followers: readonly Follower[];
}

/** The followers of one kind of change: those that forget at once, and those that read again. */
interface FollowersOfKind {
  readonly forget: Follower[];
  readonly refresh: Follower[];
}

const NO_FOLLOWERS: FollowersOfKind = { forget: [], refresh: [] };
const RETRY_MS = 250;
const PATIENCE_MS = 5_000;

/** Applies every committed change, in order, to what this process keeps in memory, and reports the last change applied. */
export class State {
  readonly #following: Following;
  readonly #byKind: ReadonlyMap<string, FollowersOfKind>;
  readonly #unwatch: () => void;
  readonly #listeners = new Set<(kind: DocumentKind, name: string) => void>();
  readonly #sealListeners: (() => void)[] = [];
  #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  #applied: number;
  #work: Promise<void>;
  #pending = 1;
  #closed = false;

  private constructor(following: Following) {
    const { store, followers } = following;
    this.#following = following;
    this.#byKind = byKind(followers);
    this.#applied = store.seq();
    this.#unwatch = store.watch((changes) => this.#take(changes));
    this.#work = Promise.all(followers.map(async (each) => each.load?.()))
      .then(() => undefined)
      .finally(() => {
        this.#pending -= 1;
      });
  }

  /**
   * Subscribes first and loads second, so that no change is missed in between.
   * @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write.
   */
  static async start(following: Following): Promise<State> {
    const state = new State(following);
    await state.#work;
    return state;
  }

  /** Returns the number up to which memory reflects every change; decisions are stamped with it. */
  applied(): number {
    return this.#applied;
  }

  /**
   * Resolves when memory reflects everything committed so far.
   * @throws ERR_BUSY if a changed document stays unreadable.
   */
  async waitUntilCurrent(): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    const cancel = this.#following.clock.after(PATIENCE_MS, () => reject(late));
    await Promise.race([this.#work, promise]).finally(cancel);
  }

  /**
   * Resolves when memory reflects everything that committed before the call, also at other brokers.
   * @returns the number of the last change applied. @throws ERR_STORE_UNAVAILABLE, ERR_BUSY
   */
  async catchUp(): Promise<number> {
    await this.#following.store.catchUp();
    await this.waitUntilCurrent();
    return this.#applied;
  }

  /** Resolves when memory reflects the change with this number. An answer that reports success waits for it. */
  async waitForChange(seq: number): Promise<void> {
    if (this.#applied >= seq || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#waiting.push({ seq, resolve: () => resolve(undefined) });
    await promise;
  }

  /** Registers a listener that runs after a document in memory was replaced. */
  onDocument(listener: (kind: DocumentKind, name: string) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }

  /** Registers a listener that runs when the broker is sealed; it runs at once if the broker is already sealed. */
  onSealed(listener: () => void): void {
    if (this.#following.keyring.isSealed) listener();
    else this.#sealListeners.push(listener);
  }

  /** Seals this process only. Its plans in flight are refused, because the store needs the keys for them. */
  seal(): void {
    this.#seal();
  }

  /** The installation was sealed: this process drops its keys and values before it applies the rest of the change. */
  #seal(): void {
    const { keyring, followers, clock } = this.#following;
    if (keyring.isSealed) return;
    keyring.seal(clock.now());
    for (const each of followers) each.clear?.();
    for (const listener of this.#sealListeners) listener();
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) this.#forget(change);
    const reread = changes.filter(({ kind }) => this.#followersOf(kind).refresh.length > 0);
    const last = changes.at(-1)?.seq ?? this.#applied;
    if (reread.length === 0 && this.#pending === 0) {
      this.#reach(last);
      return;
    }
    this.#pending += 1;
    this.#work = this.#work.then(async () => {
      for (const change of reread) await this.#reload(change);
      this.#pending -= 1;
      this.#reach(last);
    });
  }

  #reach(seq: number): void {
    this.#applied = seq;
    if (this.#waiting.length === 0) return;
    const arrived = this.#waiting.filter((waiter) => waiter.seq <= seq);
    this.#waiting = this.#waiting.filter((waiter) => waiter.seq > seq);
    for (const { resolve } of arrived) resolve();
  }

  #forget(change: Change): void {
    if (change.kind === 'seal') this.#seal();
    for (const each of this.#followersOf(change.kind).forget) each.forget?.(change);
  }

  #followersOf(kind: string): FollowersOfKind {
    return this.#byKind.get(kind) ?? NO_FOLLOWERS;
  }

  /**
   * Retries for as long as the store fails: until the row is read, no decision based on the old row can commit. It stops when the broker is
   * sealed.
   */
  async #reload(change: Change): Promise<void> {
    const { clock, log, keyring } = this.#following;
    while (!this.#closed && !keyring.isSealed) {
      try {
        for (const each of this.#followersOf(change.kind).refresh) await each.refresh?.(change.key);
        break;
      } catch (error) {
        log.error({ err: error, changed: change.key }, 'could not read a change; retrying');
        await clock.sleep(RETRY_MS);
      }
    }
    if (change.kind !== 'document' || keyring.isSealed) return;
    const { kind, name } = documentOfChange(change.key);
    for (const listener of this.#listeners) listener(kind, name);
  }
}

/** Made once, so that a change costs one look-up. */
function byKind(followers: readonly Follower[]): ReadonlyMap<string, FollowersOfKind> {
  const table = new Map<string, FollowersOfKind>();
  for (const follower of followers) {
    for (const kind of follower.kinds) {
      const led = table.get(kind) ?? { forget: [], refresh: [] };
      if (follower.forget !== undefined) led.forget.push(follower);
      if (follower.refresh !== undefined) led.refresh.push(follower);
      table.set(kind, led);
    }
  }
  return table;
}
