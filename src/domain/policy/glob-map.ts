import { AffixBuckets } from './affix-buckets.ts';
import { segmentGlob } from './segment-glob.ts';
import type { SegmentGlob } from './segment-glob.ts';

/**
 * Values by segment pattern, found by text. A literal costs one look-up; globs are grouped by their literal prefix or, where they start
 * with a star, by their suffix, so that ten thousand patterns cost a text no more than the few that could match it.
 */
export class GlobMap<T> {
  #literals = new Map<string, T>();
  #prefixed = new AffixBuckets<T>('prefix');
  #suffixed = new AffixBuckets<T>('suffix');

  /** A copy that shares the values. */
  copy(): GlobMap<T> {
    const copy = new GlobMap<T>();
    copy.#literals = new Map(this.#literals);
    copy.#prefixed = this.#prefixed.copy();
    copy.#suffixed = this.#suffixed.copy();
    return copy;
  }

  get isEmpty(): boolean {
    return this.#literals.size === 0 && this.#prefixed.isEmpty && this.#suffixed.isEmpty;
  }

  /** The value of exactly this pattern. */
  get(pattern: string): T | undefined {
    const glob = segmentGlob(pattern);
    return glob === undefined
      ? this.#literals.get(pattern)
      : this.#bucketsFor(glob).get(pattern, glob);
  }

  set(pattern: string, value: T): void {
    const glob = segmentGlob(pattern);
    if (glob === undefined) this.#literals.set(pattern, value);
    else this.#bucketsFor(glob).set(pattern, glob, value);
  }

  delete(pattern: string): void {
    const glob = segmentGlob(pattern);
    if (glob === undefined) this.#literals.delete(pattern);
    else this.#bucketsFor(glob).delete(pattern, glob);
  }

  /** Calls `visit` with the value of each pattern that `text` matches, in no particular order. */
  match(text: string, visit: (value: T) => void): void {
    const literal = this.#literals.get(text);
    if (literal !== undefined) visit(literal);
    this.#prefixed.match(text, visit);
    this.#suffixed.match(text, visit);
  }

  #bucketsFor(glob: SegmentGlob): AffixBuckets<T> {
    return glob.prefix === '' ? this.#suffixed : this.#prefixed;
  }
}
