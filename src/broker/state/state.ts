import { BrokerError } from '../../domain/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Change, Store } from '../../ports/store.ts';
import type { ValueCache } from '../value-cache.ts';
import type { Canaries } from './canaries.ts';
import type { Catalog } from './catalog.ts';
import type { DocumentKind } from '../documents/kinds.ts';
import type { OperatorTokens } from './operator-tokens.ts';
import type { Sessions } from './sessions.ts';

/** What follows the changes, and what it needs. */
export interface Followers {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly sessions: Sessions;
  readonly tokens: OperatorTokens;
  readonly values: ValueCache;
  readonly canaries: Canaries;
}

const RETRY_MS = 250;
const PATIENCE_MS = 5_000;

/** Carries every committed change into what this process keeps in memory, in order, and says how far it got. */
export class State {
  readonly #followers: Followers;
  readonly #unwatch: () => void;
  readonly #listeners = new Set<(kind: DocumentKind, name: string) => void>();
  #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  #applied: number;
  #work: Promise<void>;
  #pending = 1;
  #closed = false;

  private constructor(followers: Followers) {
    this.#followers = followers;
    this.#applied = followers.store.seq();
    this.#unwatch = followers.store.watch((changes) => this.#take(changes));
    this.#work = Promise.all([followers.catalog.load(), followers.canaries.load()])
      .then(() => undefined)
      .finally(() => {
        this.#pending -= 1;
      });
  }

  /** Follows first and loads then, so that no change falls between. @throws ERR_CIPHERTEXT_INVALID for a row we did not write. */
  static async start(followers: Followers): Promise<State> {
    const state = new State(followers);
    await state.#work;
    return state;
  }

  /** Every change up to this number is reflected in memory: what decisions are stamped with. */
  applied(): number {
    return this.#applied;
  }

  /** Resolves when memory reflects all that is committed so far. @throws ERR_BUSY when a changed document cannot be read for a while. */
  async caughtUp(): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    const cancel = this.#followers.clock.after(PATIENCE_MS, () => reject(late));
    await Promise.race([this.#work, promise]).finally(cancel);
  }

  /** Resolves when memory reflects the change of this number: an answer that says "done" waits for it. */
  async reached(seq: number): Promise<void> {
    if (this.#applied >= seq || this.#closed) return;
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#waiting.push({ seq, resolve: () => resolve(undefined) });
    await promise;
  }

  /** Called after a document of memory was replaced. */
  onDocument(listener: (kind: DocumentKind, name: string) => void): void {
    this.#listeners.add(listener);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting = [];
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) this.#forget(change);
    const reread = changes.filter(({ kind }) => kind === 'document' || kind === 'canary');
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

  #forget({ kind, key }: Change): void {
    const { sessions, tokens, values } = this.#followers;
    if (kind === 'session' || kind === 'leases') sessions.changed(kind, key);
    else if (kind === 'token') tokens.changed(key);
    else if (kind === 'secret') values.drop(key);
  }

  /** Until it is read, nothing decided on the old document can commit: so it is tried again for as long as the store fails. */
  async #reload(change: Change): Promise<void> {
    const { catalog, canaries, clock, log } = this.#followers;
    const { key } = change;
    const slash = key.indexOf('/');
    const kind = key.slice(0, slash) as DocumentKind;
    const name = key.slice(slash + 1);
    const isDocument = change.kind === 'document';
    while (!this.#closed) {
      try {
        await (isDocument ? catalog.refresh(kind, name) : canaries.refresh(key));
        break;
      } catch (error) {
        log.error({ err: error, changed: key }, 'what changed cannot be read; trying again');
        await clock.sleep(RETRY_MS);
      }
    }
    if (isDocument) for (const listener of this.#listeners) listener(kind, name);
  }
}
