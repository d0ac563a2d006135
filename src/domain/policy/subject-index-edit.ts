import type { CompiledPolicy } from './compiled-policy.ts';
import { SubjectIndex } from './subject-index.ts';

/** Changes to an index that leave the original as it was: a node is copied when it is first changed, the rest is shared. */
export class SubjectIndexEdit {
  readonly #own = new Set<SubjectIndex>();
  readonly #root: SubjectIndex;

  constructor(original: SubjectIndex) {
    this.#root = this.#owned(original);
  }

  add(policy: CompiledPolicy): void {
    for (const subject of policy.subjects) {
      for (const names of subject.names) {
        this.#change(this.#root, names, (leaf) => leaf.addEntry({ policy, subject }));
      }
    }
  }

  remove(policy: CompiledPolicy): void {
    for (const subject of policy.subjects) {
      for (const names of subject.names) {
        this.#change(this.#root, names, (leaf) => leaf.removeEntriesOf(policy));
      }
    }
  }

  done(): SubjectIndex {
    return this.#root;
  }

  #change(
    node: SubjectIndex,
    names: readonly string[],
    change: (leaf: SubjectIndex) => void,
  ): void {
    const [name, ...below] = names;
    if (name === undefined) {
      change(node);
      return;
    }
    const known = node.child(name);
    const child = known === undefined ? this.#created() : this.#owned(known);
    this.#change(child, below, change);
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
