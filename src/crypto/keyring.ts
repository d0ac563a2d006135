import type { RootKey } from './root-keys.ts';

/** The root keys of this installation that are in memory: the active one wraps, all of them unwrap. */
export class Keyring {
  readonly #keys = new Map<string, RootKey>();
  #active: RootKey;

  constructor(active: RootKey, older: readonly RootKey[] = []) {
    this.#active = active;
    for (const key of [...older, active]) this.#add(key);
  }

  get active(): RootKey {
    return this.#active;
  }

  /** Undefined for an id that is not here; nobody falls back to the active key. */
  find(id: string): RootKey | undefined {
    return this.#keys.get(id);
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
    if (id === this.#active.id) throw new RangeError('the active root key cannot be dropped');
    this.#keys.delete(id);
  }

  #add(key: RootKey): void {
    if (this.#keys.has(key.id)) throw new RangeError('two root keys have one id');
    this.#keys.set(key.id, key);
  }
}
