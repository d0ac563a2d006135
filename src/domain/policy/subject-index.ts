import type { CompiledPolicy, CompiledSubject } from './compiled-policy.ts';
import { GlobMap } from './glob-map.ts';

export interface SubjectEntry {
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
