/** Something that a pod asks for and cannot have: which annotation (or field), and why. */
export interface Problem {
  readonly place: string;
  readonly message: string;
}

/** Collects, so that whoever wrote the pod hears of everything at once. */
export class Problems {
  readonly #found: Problem[] = [];

  add(place: string, message: string): void {
    this.#found.push({ place, message });
  }

  /** Empty when there are none. */
  get found(): readonly Problem[] {
    return this.#found;
  }
}
