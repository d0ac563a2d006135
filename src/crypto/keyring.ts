import { BrokerError } from '../domain/errors.ts';
import type { RootKey } from './root-keys.ts';

/** The root keys of this installation that are in memory: the active one wraps, all of them unwrap. */
export class Keyring {
  readonly #keys = new Map<string, RootKey>();
  /** Undefined once the keys were forgotten. */
  #active: RootKey | undefined;

  constructor(active: RootKey, older: readonly RootKey[] = []) {
    this.#active = active;
    for (const key of [...older, active]) this.#add(key);
  }

  /** @throws ERR_SEALED */
  get active(): RootKey {
    if (this.#active === undefined) throw new BrokerError('ERR_SEALED');
    return this.#active;
  }

  get isSealed(): boolean {
    return this.#active === undefined;
  }

  /** Undefined for an unknown id; callers never fall back to the active key. @throws ERR_SEALED */
  find(id: string): RootKey | undefined {
    if (this.#active === undefined) throw new BrokerError('ERR_SEALED');
    return this.#keys.get(id);
  }

  /** Forgets every key, with what was derived from it. Only a new process, with the key-encryption key at hand, has them again. */
  seal(): void {
    for (const key of this.#keys.values()) key.forget();
    this.#keys.clear();
    this.#active = undefined;
  }

  ids(): readonly string[] {
    return [...this.#keys.keys()];
  }

  /** Makes a new root key the one that wraps; the one before still unwraps. */
  activate(next: RootKey): void {
    this.#add(next);
    this.#active = next;
  }

  /** Forgets a root key under which nothing is wrapped any more. @throws RangeError for the active one. */
  drop(id: string): void {
    if (id === this.active.id) throw new RangeError('the active root key cannot be dropped');
    this.#keys.delete(id);
  }

  #add(key: RootKey): void {
    if (this.#keys.has(key.id)) throw new RangeError('two root keys have one id');
    this.#keys.set(key.id, key);
  }
}
