import { segmentGlob, type SegmentGlob, globMatches } from '../words/segment-glob.ts';

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

interface GlobEntry<T> {
  readonly glob: SegmentGlob;
  readonly value: T;
}

/** Globs grouped by their literal prefix, or by their suffix: a text is compared only with the globs whose prefix or suffix it has. */
class AffixBuckets<T> {
  readonly #end: 'prefix' | 'suffix';
  readonly #buckets = new Map<string, Map<string, GlobEntry<T>>>();
  /** Lengths of the affixes in use; recomputed at the first match after a change. */
  #lengths: readonly number[] | undefined;

  constructor(end: 'prefix' | 'suffix') {
    this.#end = end;
  }

  /** A copy that shares the values. */
  copy(): AffixBuckets<T> {
    const copy = new AffixBuckets<T>(this.#end);
    for (const [affix, entries] of this.#buckets) copy.#buckets.set(affix, new Map(entries));
    return copy;
  }

  get isEmpty(): boolean {
    return this.#buckets.size === 0;
  }

  get(pattern: string, glob: SegmentGlob): T | undefined {
    return this.#buckets.get(glob[this.#end])?.get(pattern)?.value;
  }

  set(pattern: string, glob: SegmentGlob, value: T): void {
    const affix = glob[this.#end];
    const entries = this.#buckets.get(affix) ?? new Map<string, GlobEntry<T>>();
    entries.set(pattern, { glob, value });
    this.#buckets.set(affix, entries);
    this.#lengths = undefined;
  }

  delete(pattern: string, glob: SegmentGlob): void {
    const affix = glob[this.#end];
    const entries = this.#buckets.get(affix);
    entries?.delete(pattern);
    if (entries?.size === 0) this.#buckets.delete(affix);
    this.#lengths = undefined;
  }

  match(text: string, visit: (value: T) => void): void {
    for (const length of (this.#lengths ??= this.#lengthsInUse())) {
      if (length > text.length) continue;
      for (const { glob, value } of this.#buckets.get(this.#affixOf(text, length))?.values() ??
        []) {
        if (globMatches(glob, text)) visit(value);
      }
    }
  }

  #affixOf(text: string, length: number): string {
    return this.#end === 'prefix' ? text.slice(0, length) : text.slice(text.length - length);
  }

  #lengthsInUse(): readonly number[] {
    return [...new Set([...this.#buckets.keys()].map((affix) => affix.length))];
  }
}
