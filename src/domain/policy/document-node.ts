import type { ProblemList } from './problem-list.ts';
import { pointerTo } from '../json-pointer.ts';

export interface FieldNames {
  readonly required: readonly string[];
  readonly optional?: readonly string[];
  /** Fields of the design that this version cannot evaluate: refused by name, never ignored. */
  readonly unsupported?: readonly string[];
}

/** The known fields of an object. A field that is missing, whose problem is recorded already, reads as a stand-in of the right type. */
export class DocumentFields {
  readonly #present: ReadonlyMap<string, DocumentNode>;

  constructor(present: ReadonlyMap<string, DocumentNode>) {
    this.#present = present;
  }

  get(key: string): DocumentNode | undefined {
    return this.#present.get(key);
  }

  object(key: string, names: FieldNames): DocumentFields {
    return this.#present.get(key)?.fields(names) ?? new DocumentFields(new Map());
  }

  text(key: string, check: (text: string) => string | undefined): string {
    return this.#present.get(key)?.text(check) ?? '';
  }

  texts(key: string, max: number, check: (text: string) => string | undefined): readonly string[] {
    return this.#present.get(key)?.texts(max, check) ?? [];
  }

  items<T>(key: string, max: number, parse: (item: DocumentNode) => T): readonly T[] {
    return this.#present.get(key)?.items(max).map(parse) ?? [];
  }
}

/**
 * One place of a document, attacker-controlled. A reader that finds something wrong records it and returns a stand-in of the right type, so that
 * the rest is read too; a document with problems never leaves the parser.
 */
export class DocumentNode {
  readonly value: unknown;
  readonly #problems: ProblemList;
  /** The place around this one, and the member name or index there. */
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

  /** It is put together only for a problem: a start reads ten thousand policies that have none. */
  get pointer(): string {
    return this.#parent === undefined ? '' : this.#parent.pointer + pointerTo([this.#key]);
  }

  /** The fields that are known; of the rest, and of what is missing, it records a problem. */
  fields(names: FieldNames): DocumentFields {
    const { required, optional = [], unsupported = [] } = names;
    const present = new Map<string, DocumentNode>();
    const entries = this.entries();
    if (entries === undefined) return new DocumentFields(present);
    for (const [key, node] of entries) {
      if (required.includes(key) || optional.includes(key)) present.set(key, node);
      else node.refuse(unsupported.includes(key) ? 'is not supported yet' : 'is not a known field');
    }
    for (const key of required) {
      if (!present.has(key)) this.refuse(`needs the field ${key}`);
    }
    return new DocumentFields(present);
  }

  /** Own fields of a plain object, so that neither `__proto__` nor an inherited name is ever read; undefined for anything else. */
  entries(): readonly (readonly [string, DocumentNode])[] | undefined {
    const { value } = this;
    if (typeof value !== 'object' || value === null || !isPlain(value)) {
      this.refuse('must be an object');
      return undefined;
    }
    return Object.entries(value).map(([key, child]) => [key, this.#child(key, child)]);
  }

  /** 1 to `max` items; empty when it is no such list. */
  items(max: number): readonly DocumentNode[] {
    const { value } = this;
    if (!Array.isArray(value) || value.length === 0 || value.length > max) {
      this.refuse(`must be a list of 1 to ${max} items`);
      return [];
    }
    return Array.from(value, (child: unknown, index) => this.#child(String(index), child));
  }

  /** 1 to `max` texts, none twice; `check` answers what is wrong with one. */
  texts(max: number, check: (text: string) => string | undefined): readonly string[] {
    const seen = new Set<string>();
    for (const item of this.items(max)) {
      const text = item.text(check);
      if (seen.has(text) && text !== '') item.refuse('is listed twice');
      seen.add(text);
    }
    return [...seen];
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

  #child(key: string, value: unknown): DocumentNode {
    return new DocumentNode(value, this.#problems, this, key);
  }
}

/** By the length of its prototype chain: objects of another realm have another `Object.prototype`. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
