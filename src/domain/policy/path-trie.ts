import type { BoundRule } from './bound-rule.ts';
import { GlobMap } from './glob-map.ts';
import { ANY_DEPTH } from './path-pattern.ts';

/** A node of the tree of patterns; a path that ends here has matched `rules`. */
export class PathTrie {
  readonly #rules: BoundRule[] = [];
  #children: GlobMap<PathTrie> | undefined;
  /** Patterns below a `**`: they apply from the segment where the path enters this node up to the end of the path. */
  #deep: PathTrie | undefined;
  #mayList = false;

  get rules(): readonly BoundRule[] {
    return this.#rules;
  }

  get children(): GlobMap<PathTrie> | undefined {
    return this.#children;
  }

  get deep(): PathTrie | undefined {
    return this.#deep;
  }

  /** True if an allow of `list` ends here or below. */
  get mayList(): boolean {
    return this.#mayList;
  }

  insert(pattern: readonly string[], rule: BoundRule): void {
    const [segment, ...below] = pattern;
    if (rule.effect === 'allow' && rule.capabilities.has('list')) this.#mayList = true;
    if (segment === undefined) this.#rules.push(rule);
    else this.#childFor(segment).insert(below, rule);
  }

  #childFor(segment: string): PathTrie {
    if (segment === ANY_DEPTH) return (this.#deep ??= new PathTrie());
    this.#children ??= new GlobMap();
    const known = this.#children.get(segment);
    if (known !== undefined) return known;
    const child = new PathTrie();
    this.#children.set(segment, child);
    return child;
  }
}
