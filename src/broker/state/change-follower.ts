import { BrokerError } from '../../domain/errors.ts';
import type { Keyring } from '../../crypto/keys/keyring.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Log } from '../../ports/log.ts';
import type { Change, Store } from '../../ports/store.ts';
import type { CanaryValues, ValueCache } from './value-cache.ts';
import type { Catalog } from './catalog.ts';
import type { DocumentKind } from '../model/kinds.ts';
import type { Attestations } from './attestation-memory.ts';
import type { Approvals } from './approval-memory.ts';
import type { ImageEvidence } from './evidence-memory.ts';
import type { SecretValueMemory } from './secret-value-memory.ts';
import type { Quarantines } from './quarantine-memory.ts';
import type { OperatorTokens } from './operator-token-memory.ts';
import type { Sessions } from './session-memory.ts';

/** The components that follow changes, and their dependencies. */
export interface Followers {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly catalog: Catalog;
  readonly sessions: Sessions;
  readonly tokens: OperatorTokens;
  readonly values: ValueCache;
  readonly canaries: CanaryValues;
  readonly quarantines: Quarantines;
  readonly approvals: Approvals;
  readonly attestations: Attestations;
  readonly evidence: ImageEvidence;
  readonly secretValues: SecretValueMemory;
  readonly keyring: Keyring;
  /** Reads the root keys of the store into the ring. */
  readonly rereadKeys: () => Promise<void>;
}

/** Kinds of changes after which the broker reads a row again. */
const REREAD: ReadonlySet<string> = new Set([
  'document',
  'canary',
  'quarantine',
  'approval',
  'attestation',
  'evidence',
  'root-keys',
]);
/** The start of the key of a change that made a root key the active one. */
const ACTIVE = 'active/';
const RETRY_MS = 250;
const PATIENCE_MS = 5_000;

/** Applies every committed change, in order, to what this process keeps in memory, and reports the last change applied. */
export class State {
  readonly #followers: Followers;
  readonly #unwatch: () => void;
  readonly #listeners = new Set<(kind: DocumentKind, name: string) => void>();
  readonly #sealListeners: (() => void)[] = [];
  #waiting: { readonly seq: number; readonly resolve: () => void }[] = [];
  #applied: number;
  #work: Promise<void>;
  #pending = 1;
  #closed = false;

  private constructor(followers: Followers) {
    this.#followers = followers;
    this.#applied = followers.store.seq();
    this.#unwatch = followers.store.watch((changes) => this.#take(changes));
    const { catalog, canaries, quarantines, approvals, attestations, evidence } = followers;
    const loaded = [catalog, canaries, quarantines, approvals, attestations, evidence];
    this.#work = Promise.all(loaded.map((each) => each.load()))
      .then(() => undefined)
      .finally(() => {
        this.#pending -= 1;
      });
  }

  /**
   * Subscribes first and loads second, so that no change is missed in between.
   * @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write.
   */
  static async start(followers: Followers): Promise<State> {
    const state = new State(followers);
    await state.#work;
    return state;
  }

  /** Memory reflects every change up to this number; decisions are stamped with it. */
  applied(): number {
    return this.#applied;
  }

  /**
   * Resolves when memory reflects everything committed so far.
   * @throws ERR_BUSY if a changed document stays unreadable.
   */
  async caughtUp(): Promise<void> {
    const { promise, reject } = Promise.withResolvers<never>();
    const late = new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    const cancel = this.#followers.clock.after(PATIENCE_MS, () => reject(late));
    await Promise.race([this.#work, promise]).finally(cancel);
  }

  /** Resolves when memory reflects the change with this number. A response that reports success waits for it. */
  async reached(seq: number): Promise<void> {
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
    if (this.#followers.keyring.isSealed) listener();
    else this.#sealListeners.push(listener);
  }

  /** Seals this process only. Its plans in flight are refused, because the store needs the keys for them. */
  seal(): void {
    this.#seal();
  }

  /** The installation was sealed: this process drops its keys and values before it applies the rest of the change. */
  #seal(): void {
    const { keyring, sessions, tokens, values, secretValues } = this.#followers;
    if (keyring.isSealed) return;
    keyring.seal();
    values.seal();
    secretValues.clear();
    sessions.clear();
    tokens.clear();
    for (const listener of this.#sealListeners) listener();
  }

  #take(changes: readonly Change[]): void {
    for (const change of changes) this.#forget(change);
    const reread = changes.filter(({ kind }) => REREAD.has(kind));
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
    const { sessions, tokens, values, secretValues, keyring } = this.#followers;
    if (kind === 'seal') this.#seal();
    else if (kind === 'root-keys' && key.startsWith(ACTIVE))
      keyring.promote(key.slice(ACTIVE.length));
    else if (kind === 'session' || kind === 'leases') sessions.changed(kind, key);
    else if (kind === 'token') tokens.changed(key);
    else if (kind === 'secret') {
      values.drop(key);
      secretValues.changed(key);
    }
  }

  /**
   * Retries for as long as the store fails: until the row is read, no decision based on the old row can commit. It stops when the broker is
   * sealed.
   */
  async #reload(change: Change): Promise<void> {
    const { clock, log, keyring } = this.#followers;
    while (!this.#closed && !keyring.isSealed) {
      try {
        await this.#refresh(change);
        break;
      } catch (error) {
        log.error({ err: error, changed: change.key }, 'could not read a change; retrying');
        await clock.sleep(RETRY_MS);
      }
    }
    if (change.kind !== 'document' || keyring.isSealed) return;
    const { kind, name } = documentOf(change);
    for (const listener of this.#listeners) listener(kind, name);
  }

  async #refresh(change: Change): Promise<void> {
    const { kind, key } = change;
    const { catalog, canaries, quarantines, approvals, attestations, evidence } = this.#followers;
    if (kind === 'canary') return canaries.refresh(key);
    if (kind === 'quarantine') return quarantines.refresh(key);
    if (kind === 'approval') return approvals.refresh(key);
    if (kind === 'attestation') return attestations.refresh(key);
    if (kind === 'evidence') return evidence.refresh(key);
    if (kind === 'root-keys') return this.#followers.rereadKeys();
    const document = documentOf(change);
    await catalog.refresh(document.kind, document.name);
  }
}

/** The key of a document change is `<kind>/<name>`; the name of a definition contains slashes itself. */
function documentOf({ key }: Change): { readonly kind: DocumentKind; readonly name: string } {
  const slash = key.indexOf('/');
  return { kind: key.slice(0, slash) as DocumentKind, name: key.slice(slash + 1) };
}
