const MOST_SETS = 16_384;

/** Pods of one template have the same labels, so they share one map. */
export class LabelPool {
  readonly #sets = new Map<string, ReadonlyMap<string, string>>();

  share(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
    const entries = Object.entries(labels);
    const key = JSON.stringify(entries);
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    // Templates change over time. After the pool forgets all maps, the next pods build it again.
    if (this.#sets.size >= MOST_SETS) this.#sets.clear();
    const set = new Map(entries);
    this.#sets.set(key, set);
    return set;
  }
}
