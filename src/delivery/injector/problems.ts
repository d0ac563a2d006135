/** Something that a pod asks for and cannot have: which annotation (or field), and why. */
export interface Problem {
  readonly place: string;
  readonly message: string;
}

/** Whoever wrote the pod repairs a few at a time; a hostile review could have a million. */
const MOST_PROBLEMS = 100;
const LONGEST_PLACE = 320;

/** Collects problems, so that the author of the pod sees all of them at once. */
export class Problems {
  readonly #found: Problem[] = [];
  #more = 0;

  add(place: string, message: string): void {
    if (this.#found.length === MOST_PROBLEMS) this.#more += 1;
    else this.#found.push({ place: place.slice(0, LONGEST_PLACE), message });
  }

  /** Empty when there are none. */
  get found(): readonly Problem[] {
    if (this.#more === 0) return this.#found;
    return [...this.#found, { place: 'pod', message: `${this.#more} more problems` }];
  }
}
