const MOST_SETS = 16_384;

/** Pods of one template have the same labels: they share one map. */
export class LabelPool {
  readonly #sets = new Map<string, ReadonlyMap<string, string>>();

  share(labels: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
    const entries = Object.entries(labels);
    const key = JSON.stringify(entries);
    const known = this.#sets.get(key);
    if (known !== undefined) return known;
    // Templates come and go; after forgetting them all, the next pods build the pool again.
    if (this.#sets.size >= MOST_SETS) this.#sets.clear();
    const set = new Map(entries);
    this.#sets.set(key, set);
    return set;
  }
}
