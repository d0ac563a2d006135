import type { CompiledPolicy } from './compiled-policy.ts';
import { SubjectIndex, type SubjectEntry } from './subject-index.ts';

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
