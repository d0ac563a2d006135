import type { CompiledPolicy, CompiledSubject } from './compiled-policy.ts';
import { GlobMap } from './glob-map.ts';

export interface SubjectEntry {
  readonly policy: CompiledPolicy;
  readonly subject: CompiledSubject;
}

/**
 * Levels of names: cluster, namespace and service account, or the cluster and the segments of an identity; entries at the last. Never changed
 * once a `SubjectIndexEdit` is done.
 */
export class SubjectIndex {
  /** Undefined at the last level. */
  #children: GlobMap<SubjectIndex> | undefined;
  #entries: SubjectEntry[] = [];

  get isEmpty(): boolean {
    return this.#entries.length === 0 && this.#children?.isEmpty !== false;
  }

  /** Every entry whose patterns the names match, level by level. */
  match(names: readonly string[], visit: (entry: SubjectEntry) => void): void {
    const [name, ...below] = names;
    if (name === undefined) this.#entries.forEach(visit);
    else this.#children?.match(name, (child) => child.match(below, visit));
  }

  /** A copy that shares the nodes below. */
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
