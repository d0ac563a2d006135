import type { CompiledPolicy, CompiledSubject } from './compiled-policy.ts';
import { GlobMap } from './glob-map.ts';

interface SubjectEntry {
  readonly policy: CompiledPolicy;
  readonly subject: CompiledSubject;
}

/**
 * A tree with one level for each name: cluster, namespace and service account, or the cluster and the segments of an identity. Entries are at the
 * last level. Never changed after a `SubjectIndexEdit` is done.
 */
export class SubjectIndex {
  /** Undefined at the last level. */
  #children: GlobMap<SubjectIndex> | undefined;
  #entries: SubjectEntry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#children?.isEmpty !== false;
  }

  /** Calls `visit` with each entry whose patterns match the names, level by level. */
  match(names: readonly string[], visit: (entry: SubjectEntry) => void): void {
    const [name, ...below] = names;
    if (name === undefined) this.#entries.forEach(visit);
    else this.#children?.match(name, (child) => child.match(below, visit));
  }

  /** A copy that shares the child nodes. */
  copy(): SubjectIndex {
    const copy = new SubjectIndex();
    copy.#children = this.#children?.copy();
    copy.#entries = [...this.#entries];
    return copy;
  }

  child(pattern: string): SubjectIndex | undefined {
    return this.#children?.get(pattern);
  }

  setChild(pattern: string, child: SubjectIndex): void {
    if (child.isEmpty) this.#children?.delete(pattern);
    else (this.#children ??= new GlobMap()).set(pattern, child);
  }

  addEntry(entry: SubjectEntry): void {
    this.#entries.push(entry);
  }

  removeEntriesOf(policy: CompiledPolicy): void {
    this.#entries = this.#entries.filter((entry) => entry.policy !== policy);
  }
}

/** Changes an index and leaves the original unchanged: a node is copied when it is first changed, the others are shared. */
export class SubjectIndexEdit {
  readonly #own = new Set<SubjectIndex>();
  readonly #root: SubjectIndex;

  constructor(original: SubjectIndex) {
    this.#root = this.#owned(original);
  }

  add(policy: CompiledPolicy): void {
    for (const subject of policy.subjects) {
      const entry = { policy, subject };
      for (const names of subject.names) this.#change(this.#root, names, 0, entry);
    }
  }

  remove(policy: CompiledPolicy): void {
    for (const subject of policy.subjects) {
      for (const names of subject.names) this.#change(this.#root, names, 0, policy);
    }
  }

  done(): SubjectIndex {
    return this.#root;
  }

  /** Adds an entry below `node`, at the place that `names` lead to from `level` on, or removes the entries of a policy there. */
  #change(
    node: SubjectIndex,
    names: readonly string[],
    level: number,
    change: SubjectEntry | CompiledPolicy,
  ): void {
    const name = names[level];
    if (name === undefined) {
      if ('subject' in change) node.addEntry(change);
      else node.removeEntriesOf(change);
      return;
    }
    const known = node.child(name);
    const child = known === undefined ? this.#created() : this.#owned(known);
    this.#change(child, names, level + 1, change);
    if (child !== known || child.isEmpty) node.setChild(name, child);
  }

  #created(): SubjectIndex {
    const node = new SubjectIndex();
    this.#own.add(node);
    return node;
  }

  #owned(node: SubjectIndex): SubjectIndex {
    if (this.#own.has(node)) return node;
    const copy = node.copy();
    this.#own.add(copy);
    return copy;
  }
}
