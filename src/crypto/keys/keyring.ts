import { BrokerError } from '../../domain/errors.ts';
import { LookupKeys } from './lookup-keys.ts';
import type { RootKey } from './root-keys.ts';

/** The keys of a ring: the active root key encrypts, all of them decrypt. */
export interface RingKeys {
  readonly active: RootKey;
  /** Retired keys, oldest first. */
  readonly older?: readonly RootKey[];
  /** The key that a rotation activates next. Brokers hold it before the first row under it exists. */
  readonly pending?: RootKey | undefined;
  /** The key of the audit log, if the store keeps it. */
  readonly log?: RootKey | undefined;
  /** Absent before the first rotation: the lookup keys are then those of the first root key. */
  readonly lookup?: LookupKeys | undefined;
}

/** The root keys of this installation that are in memory. */
export class Keyring {
  #keys = new Map<string, RootKey>();
  /** Undefined once the keys were forgotten. */
  #active: RootKey | undefined;
  #pending: RootKey | undefined;
  #log: RootKey | undefined;
  #lookup: LookupKeys;
  /** Another process activated a key that is not in memory yet. Nothing may be encrypted under the old one any more. */
  #isOutdated = false;
  #sealedAt: number | undefined;

  constructor(active: RootKey, older: readonly RootKey[] = []) {
    this.#lookup = LookupKeys.of(active);
    this.replace({ active, older });
  }

  /** @throws ERR_SEALED; ERR_BUSY while the key that another process activated is being read. */
  get active(): RootKey {
    if (this.#isOutdated) throw new BrokerError('ERR_BUSY', undefined, { retryAfterSeconds: 1 });
    return this.#opened();
  }

  /** The keys of hashes that must stay the same when the root key changes. @throws ERR_SEALED */
  get lookup(): LookupKeys {
    this.#opened();
    return this.#lookup;
  }

  get isSealed(): boolean {
    return this.#active === undefined;
  }

  /** The time at which this process forgot its keys. */
  get sealedAt(): number | undefined {
    return this.#sealedAt;
  }

  /** Undefined for an unknown id; callers never fall back to the active key. @throws ERR_SEALED */
  find(id: string): RootKey | undefined {
    this.#opened();
    return this.#keys.get(id);
  }

  /** A key that the store keeps wrapped: a root key, or the key of the audit log. @throws ERR_SEALED */
  findWrapped(id: string): RootKey | undefined {
    return this.find(id) ?? (this.#log?.id === id ? this.#log : undefined);
  }

  /** The active key, then all others, newest first. @throws ERR_SEALED */
  newestFirst(): readonly RootKey[] {
    const active = this.#opened();
    const others = [...this.#keys.values()].filter((key) => key !== active);
    return [active, ...others.reverse()];
  }

  ids(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Takes the keys that the store has now; a sealed ring takes none. @throws RangeError for two keys with one id. */
  replace({ active, older = [], pending, log, lookup }: RingKeys): void {
    if (this.#sealedAt !== undefined) return;
    const keys = new Map<string, RootKey>();
    for (const key of [...older, ...(pending === undefined ? [] : [pending]), active]) {
      if (keys.has(key.id)) throw new RangeError('two root keys have one id');
      keys.set(key.id, key);
    }
    for (const [id, key] of this.#keys) if (!keys.has(id)) key.forget();
    this.#keys = keys;
    this.#active = active;
    this.#pending = pending;
    this.#log = log;
    if (lookup !== undefined) this.#lookup = lookup;
    this.#isOutdated = false;
  }

  /** A process activated this key. If it is not the pending one in memory, nothing is encrypted until `replace`. */
  promote(id: string): void {
    if (this.#active === undefined || this.#active.id === id) return;
    if (this.#pending?.id === id) this.#active = this.#pending;
    else this.#isOutdated = true;
  }

  /** Forgets every key and everything that was derived from it. Only a new process that can reach the key-encryption key loads them again. */
  seal(at: number): void {
    this.#sealedAt = at;
    for (const key of this.#keys.values()) key.forget();
    this.#log?.forget();
    this.#keys.clear();
    this.#lookup.forget();
    this.#active = undefined;
    this.#pending = undefined;
  }

  #opened(): RootKey {
    if (this.#active === undefined) throw new BrokerError('ERR_SEALED');
    return this.#active;
  }
}
