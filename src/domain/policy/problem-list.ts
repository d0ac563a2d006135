import type { Problem } from '../errors.ts';
import { POLICY_LIMITS } from './policy-limits.ts';

/** Problems of a document, in the order of reading; when the list is full, further ones are only counted. */
export class ProblemList {
  readonly #problems: Problem[] = [];
  #omitted = 0;

  add(pointer: string, message: string): void {
    if (!this.isFull) this.#problems.push({ pointer, message });
    else this.#omitted += 1;
  }

  get isEmpty(): boolean {
    return this.#problems.length === 0;
  }

  get isFull(): boolean {
    return this.#problems.length >= POLICY_LIMITS.problems;
  }

  list(): readonly Problem[] {
    if (this.#omitted === 0) return this.#problems;
    return [...this.#problems, { pointer: '', message: `and ${this.#omitted} more problems` }];
  }
}
