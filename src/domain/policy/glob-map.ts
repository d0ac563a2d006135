import { AffixBuckets } from './affix-buckets.ts';
import { segmentGlob } from './segment-glob.ts';
import type { SegmentGlob } from './segment-glob.ts';

/**
 * Values by segment pattern, found by text. A literal costs one look-up. Globs are grouped by their literal prefix or, if they begin with a star, by
 * their suffix, so that among ten thousand patterns a text is compared only with the few that could match it.
 */
export class GlobMap<T> {
  #literals = new Map<string, T>();
  /** Most maps have no glob: ten thousand policies have as many maps. */
  #prefixed: AffixBuckets<T> | undefined;
  #suffixed: AffixBuckets<T> | undefined;

  /** A copy that shares the values. */
  copy(): GlobMap<T> {
    const copy = new GlobMap<T>();
    copy.#literals = new Map(this.#literals);
    copy.#prefixed = this.#prefixed?.copy();
    copy.#suffixed = this.#suffixed?.copy();
    return copy;
  }

  get isEmpty(): boolean {
    const hasGlobs = [this.#prefixed, this.#suffixed].some((globs) => globs?.isEmpty === false);
    return this.#literals.size === 0 && !hasGlobs;
  }

  /** The value of exactly this pattern. */
  get(pattern: string): T | undefined {
    const glob = segmentGlob(pattern);
    return glob === undefined
      ? this.#literals.get(pattern)
      : this.#bucketsFor(glob)?.get(pattern, glob);
  }

  set(pattern: string, value: T): void {
    const glob = segmentGlob(pattern);
    if (glob === undefined) this.#literals.set(pattern, value);
    else if (glob.prefix === '')
      (this.#suffixed ??= new AffixBuckets('suffix')).set(pattern, glob, value);
    else (this.#prefixed ??= new AffixBuckets('prefix')).set(pattern, glob, value);
  }

  delete(pattern: string): void {
    const glob = segmentGlob(pattern);
    if (glob === undefined) this.#literals.delete(pattern);
    else this.#bucketsFor(glob)?.delete(pattern, glob);
  }

  /** Calls `visit` with the value of each pattern that `text` matches, in no particular order. */
  match(text: string, visit: (value: T) => void): void {
    const literal = this.#literals.get(text);
    if (literal !== undefined) visit(literal);
    this.#prefixed?.match(text, visit);
    this.#suffixed?.match(text, visit);
  }

  #bucketsFor(glob: SegmentGlob): AffixBuckets<T> | undefined {
    return glob.prefix === '' ? this.#suffixed : this.#prefixed;
  }
}
