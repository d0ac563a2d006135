import type { PathTrie } from './path-trie.ts';

/** Finds the nodes at which a path can end. Each is reached at most once, so the work is bounded by nodes times segments. */
export class PathWalk {
  readonly #segments: readonly string[];
  readonly #onEnd: (place: PathTrie) => void;
  readonly #entered = new Set<PathTrie>();

  constructor(segments: readonly string[], onEnd: (place: PathTrie) => void) {
    this.#segments = segments;
    this.#onEnd = onEnd;
  }

  from(place: PathTrie, at: number): void {
    const segment = this.#segments[at];
    if (segment === undefined) this.#onEnd(place);
    else place.children?.match(segment, (child) => this.from(child, at + 1));
    if (place.deep !== undefined) this.#fromAnyDepth(place.deep, at);
  }

  /** Nodes are entered in the order of the path, so a second entry could find only what the first has found: it is skipped. */
  #fromAnyDepth(place: PathTrie, at: number): void {
    if (this.#entered.has(place)) return;
    this.#entered.add(place);
    for (let start = at; start <= this.#segments.length; start += 1) this.from(place, start);
  }
}
