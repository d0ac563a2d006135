import { processFingerprint } from '../../crypto/hashes/process-fingerprint.ts';
import { SHORTEST_COMPARED, type SecretValues } from '../../domain/posture/secret-values.ts';
import type { SecretData } from '../../domain/secrets/secret.ts';
import type { Follower } from '../../broker/state/followers.ts';

/**
 * Limits; with more fingerprints the memory is not complete: a pod with other values is unknown, because one of them may be that
 * of a secret.
 */
const MOST = { fingerprints: 100_000, changed: 10_000 };
const NONE: readonly string[] = [];

/**
 * Fingerprints of the current values of the embedded secrets, under a key of this process. It is empty unless a profile asks for it. The worker of
 * secret-value-worker.ts fills it.
 */
export class SecretValueMemory implements SecretValues {
  readonly #pathsOf = new Map<string, readonly string[]>();
  readonly #fingerprintsOf = new Map<string, readonly string[]>();
  readonly #changed = new Set<string>();
  #state: 'off' | 'loading' | 'loaded' = 'off';
  #count = 0;
  #isFull = false;
  #generation = 0;

  /** Number that differs after each change. */
  get generation(): number {
    return this.#generation;
  }

  get isLoaded(): boolean {
    return this.#state === 'loaded';
  }

  /** True if values did not fit. They fit again only after a new load. */
  get isFull(): boolean {
    return this.#isFull;
  }

  get isComplete(): boolean {
    return this.isLoaded && !this.#isFull;
  }

  pathsOf(fingerprint: string): readonly string[] {
    return this.#pathsOf.get(fingerprint) ?? NONE;
  }

  /** Forgets everything. From now on it remembers changed paths. */
  begin(): void {
    this.clear();
    this.#state = 'loading';
  }

  /** Completes the load, unless something ended it meanwhile. */
  loaded(): void {
    if (this.#state === 'off') return;
    this.#state = 'loaded';
    this.#generation += 1;
  }

  clear(): void {
    if (this.#state === 'off') return;
    this.#pathsOf.clear();
    this.#fingerprintsOf.clear();
    this.#changed.clear();
    this.#count = 0;
    this.#isFull = false;
    this.#state = 'off';
    this.#generation += 1;
  }

  /** The value at the path is another one, or gone. If it cannot remember more paths, all are read again. */
  changed(path: string): void {
    if (this.#state === 'off') return;
    this.#changed.add(path);
    if (this.#changed.size > MOST.changed) this.clear();
  }

  takeChanged(): readonly string[] {
    const taken = [...this.#changed];
    this.#changed.clear();
    return taken;
  }

  /** The current value at a path; undefined if it has none. Bytes are not compared: a variable is a text. */
  keep(path: string, data: SecretData | undefined): void {
    if (this.#state === 'off') return;
    const texts = Object.values(data ?? {}).filter((field) => typeof field === 'string');
    const long = new Set(texts.filter((text) => text.length >= SHORTEST_COMPARED));
    this.#replace(path, [...long].map(processFingerprint));
  }

  #replace(path: string, fingerprints: readonly string[]): void {
    const known = this.#fingerprintsOf.get(path) ?? NONE;
    const isSame =
      known.length === fingerprints.length && known.every((each) => fingerprints.includes(each));
    if (isSame) return;
    this.#generation += 1;
    for (const each of known) this.#remove(each, path);
    this.#fingerprintsOf.delete(path);
    this.#count -= known.length;
    if (this.#count + fingerprints.length > MOST.fingerprints) {
      this.#isFull = true;
      return;
    }
    this.#count += fingerprints.length;
    if (fingerprints.length > 0) this.#fingerprintsOf.set(path, fingerprints);
    for (const each of fingerprints) this.#pathsOf.set(each, [...this.pathsOf(each), path]);
  }

  #remove(fingerprint: string, path: string): void {
    const left = this.pathsOf(fingerprint).filter((each) => each !== path);
    if (left.length === 0) this.#pathsOf.delete(fingerprint);
    else this.#pathsOf.set(fingerprint, left);
  }
}

/** Notices each changed secret, and forgets everything when the broker is sealed. */
export function secretValueFollower(values: SecretValueMemory): Follower {
  return {
    kinds: ['secret'],
    forget: ({ key }) => values.changed(key),
    clear: () => values.clear(),
  };
}
