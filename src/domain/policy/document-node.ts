import type { ProblemList } from './problem-list.ts';
import { pointerTo } from '../words/json-pointer.ts';
import { didYouMean } from '../words/schema-words.ts';

export interface FieldNames {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  /** Fields that the format reserves and this version cannot evaluate: refused by name, never ignored. */
  readonly unsupported?: readonly string[];
}

/** The known fields of an object. A missing field, whose problem is already recorded, reads as a placeholder of the right type. */
export class DocumentFields {
  /** Undefined if the value there is not an object. */
  readonly #object: DocumentNode | undefined;

  constructor(object: DocumentNode | undefined) {
    this.#object = object;
  }

  get(key: string): DocumentNode | undefined {
    return this.#object?.member(key);
  }

  object(key: string, names: FieldNames): DocumentFields {
    return this.get(key)?.fields(names) ?? new DocumentFields(undefined);
  }

  text(key: string, check: (text: string) => string | undefined): string {
    return this.get(key)?.text(check) ?? '';
  }

  texts(key: string, max: number, check: (text: string) => string | undefined): readonly string[] {
    return this.get(key)?.texts(max, check) ?? [];
  }

  items<T>(key: string, max: number, parse: (item: DocumentNode) => T): readonly T[] {
    return this.get(key)?.items(max).map(parse) ?? [];
  }
}

/**
 * One place of a document, attacker-controlled. A reader that finds a problem records it and returns a placeholder of the right type, so that the
 * rest is read too; a document with problems never leaves the parser.
 */
export class DocumentNode {
  readonly value: unknown;
  readonly #problems: ProblemList;
  /** The enclosing place, and the member name or index of this place in it. */
  readonly #parent: DocumentNode | undefined;
  readonly #key: string;

  private constructor(value: unknown, problems: ProblemList, parent?: DocumentNode, key = '') {
    this.value = value;
    this.#problems = problems;
    this.#parent = parent;
    this.#key = key;
  }

  static root(document: unknown, problems: ProblemList): DocumentNode {
    return new DocumentNode(document, problems);
  }

  refuse(message: string): void {
    this.#problems.add(this.pointer, message);
  }

  /** The pointer is computed only for a problem: a start reads ten thousand policies that have none. */
  get pointer(): string {
    return this.#parent === undefined ? '' : this.#parent.pointer + pointerTo([this.#key]);
  }

  /** The known fields. Records a problem for each unknown field and for each required field that is missing. */
  fields(names: FieldNames): DocumentFields {
    const { required, optional = [], unsupported = [] } = names;
    const object = this.#object();
    if (object === undefined) return new DocumentFields(undefined);
    for (const key of Object.keys(object)) {
      if (required.includes(key) || optional.includes(key)) continue;
      this.#child(key, object[key]).refuse(
        unsupported.includes(key)
          ? 'is not supported yet'
          : `is not a known field${this.#guess(key, [...required, ...optional])}`,
      );
    }
    for (const key of required) {
      if (!Object.hasOwn(object, key)) this.refuse(`needs the field ${key}`);
    }
    return new DocumentFields(this);
  }

  /** An own field of an object; undefined if it has no such field. */
  member(key: string): DocumentNode | undefined {
    const object = this.value as Readonly<Record<string, unknown>>;
    return Object.hasOwn(object, key) ? this.#child(key, object[key]) : undefined;
  }

  /** Own fields of a plain object, so that neither `__proto__` nor an inherited name is read; undefined for any other value. */
  entries(): readonly (readonly [string, DocumentNode])[] | undefined {
    const object = this.#object();
    return (
      object &&
      Object.entries(object).map(([key, child]) => [key, this.#child(key, child)] as const)
    );
  }

  /** The 1 to `max` items of a list; empty after a problem. */
  items(max: number): readonly DocumentNode[] {
    return this.#list(max).map((child, index) => this.#child(String(index), child));
  }

  /** The 1 to `max` distinct texts of a list; `check` returns the problem of a text. */
  texts(max: number, check: (text: string) => string | undefined): readonly string[] {
    const seen: string[] = [];
    for (const [index, value] of this.#list(max).entries()) {
      const isValid = typeof value === 'string' && check(value) === undefined;
      if (isValid && !seen.includes(value)) seen.push(value);
      else this.#refuseText(String(index), value, check);
    }
    return seen;
  }

  #refuseText(index: string, value: unknown, check: (text: string) => string | undefined): void {
    const item = this.#child(index, value);
    if (item.text(check) !== '') item.refuse('is listed twice');
  }

  /** The text; '' after a problem. */
  text(check: (text: string) => string | undefined): string {
    const { value } = this;
    if (typeof value !== 'string') {
      this.refuse('must be a text');
      return '';
    }
    const problem = check(value);
    if (problem === undefined) return value;
    this.refuse(problem);
    return '';
  }

  /** The boolean; false after a problem. */
  flag(check: (flag: boolean) => string | undefined): boolean {
    const { value } = this;
    if (typeof value !== 'boolean') {
      this.refuse('must be true or false');
      return false;
    }
    const problem = check(value);
    if (problem !== undefined) this.refuse(problem);
    return value;
  }

  /** The known field that an unknown one probably means. A full list shows no further problem, so it needs no guess. */
  #guess(key: string, known: readonly string[]): string {
    return this.#problems.isFull ? '' : didYouMean(key, known);
  }

  #object(): Readonly<Record<string, unknown>> | undefined {
    const { value } = this;
    if (typeof value === 'object' && value !== null && isPlain(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    this.refuse('must be an object');
    return undefined;
  }

  #list(max: number): readonly unknown[] {
    const { value } = this;
    if (Array.isArray(value) && value.length > 0 && value.length <= max) return value;
    this.refuse(`must be a list of 1 to ${max} items`);
    return [];
  }

  #child(key: string, value: unknown): DocumentNode {
    return new DocumentNode(value, this.#problems, this, key);
  }
}

/** Measures the prototype chain, because objects of another realm have another `Object.prototype`. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
