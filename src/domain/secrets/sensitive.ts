const PRINTED = '[sensitive]';
const INSPECT = Symbol.for('nodejs.util.inspect.custom');

/** A value that prints as `[sensitive]` in JSON, strings, inspection and logs; only `reveal()`, which grep finds, returns it. */
export class Sensitive<T> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return PRINTED;
  }

  toJSON(): string {
    return PRINTED;
  }

  [INSPECT](): string {
    return PRINTED;
  }
}
