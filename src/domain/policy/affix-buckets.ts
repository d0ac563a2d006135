import { globMatches } from './segment-glob.ts';
import type { SegmentGlob } from './segment-glob.ts';

interface GlobEntry<T> {
  readonly glob: SegmentGlob;
  readonly value: T;
}

/** Globs grouped by their literal prefix, or by their suffix: a text is compared only with the globs whose prefix or suffix it has. */
export class AffixBuckets<T> {
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
