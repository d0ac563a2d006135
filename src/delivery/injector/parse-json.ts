/** Kubernetes nests a dozen levels. */
const DEEPEST = 64;
/** A pod has hundreds of values. */
const MOST_VALUES = 20_000;
/** API servers send none. */
const MOST_BLANKS = 65_536;
const LONGEST_SCALAR = 64;

/** Characters that one step reads; a value counts as {@link VALUE_COST} of them. The largest step takes two milliseconds of the event loop. */
const MOST_OF_STEP = 65_536;
const VALUE_COST = 64;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SMALL_U = 0x75;
const BLANKS = /[ \t\n\r]*/y;
const SCALAR = /^(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/;

/** The cost of the step that ends here. */
type Steps<T> = Generator<number, T, undefined>;

/**
 * Parses JSON in steps of bounded work. Another request can be answered between two steps, because it shares the event loop with
 * the API. `JSON.parse` took up to 30 ms for a review within the same bounds (measured).
 * @returns undefined for a text that is not JSON or exceeds its bounds.
 */
export function* parseInSteps(text: string): Steps<unknown> {
  try {
    return yield* new Parser(text).document();
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

class Parser {
  readonly #text: string;
  #at = 0;
  #spent = 0;
  #values = 0;
  #blanks = 0;

  constructor(text: string) {
    this.#text = text;
  }

  *document(): Steps<unknown> {
    const value = yield* this.#value(0);
    if (this.#next() !== '') throw new SyntaxError();
    return value;
  }

  *#value(depth: number): Steps<unknown> {
    this.#values += 1;
    if (this.#values > MOST_VALUES || depth > DEEPEST) throw new SyntaxError();
    if (this.#spend(VALUE_COST)) yield this.#endStep();
    const first = this.#next();
    if (first === '{') return yield* this.#object(depth);
    if (first === '[') return yield* this.#array(depth);
    return first === '"' ? yield* this.#string() : this.#scalar();
  }

  *#object(depth: number): Steps<object> {
    const members: Record<string, unknown> = {};
    this.#at += 1;
    if (this.#takes('}')) return members;
    do {
      if (this.#next() !== '"') throw new SyntaxError();
      const name = yield* this.#string();
      // An assignment would set the prototype. No field, label or annotation of a pod can have this name.
      if (name === '__proto__' || !this.#takes(':')) throw new SyntaxError();
      members[name] = yield* this.#value(depth + 1);
    } while (this.#takes(','));
    if (!this.#takes('}')) throw new SyntaxError();
    return members;
  }

  *#array(depth: number): Steps<unknown[]> {
    const items: unknown[] = [];
    this.#at += 1;
    if (this.#takes(']')) return items;
    do items.push(yield* this.#value(depth + 1));
    while (this.#takes(','));
    if (!this.#takes(']')) throw new SyntaxError();
    return items;
  }

  /** Decodes a long string in pieces, cut between two characters and never inside of an escape. */
  *#string(): Steps<string> {
    let decoded = '';
    for (let start = this.#at + 1; ; start = this.#at) {
      const end = this.#endOfPiece(start, start + MOST_OF_STEP - this.#spent);
      decoded += JSON.parse(`"${this.#text.slice(start, end)}"`) as string;
      this.#at = end;
      const isFull = this.#spend(end - start);
      if (this.#text.charCodeAt(end) === QUOTE) break;
      if (end >= this.#text.length) throw new SyntaxError();
      if (isFull) yield this.#endStep();
    }
    this.#at += 1;
    return decoded;
  }

  /** Finds the end of the string, or the first index at or after `limit` that is not inside of an escape. */
  #endOfPiece(start: number, limit: number): number {
    const text = this.#text;
    const last = Math.min(limit, text.length);
    let at = start;
    while (at < last) {
      const character = text.charCodeAt(at);
      if (character === QUOTE) return at;
      if (character !== BACKSLASH) at += 1;
      else at += text.charCodeAt(at + 1) === SMALL_U ? 6 : 2;
    }
    return at;
  }

  #scalar(): unknown {
    const [literal] = SCALAR.exec(this.#text.slice(this.#at, this.#at + LONGEST_SCALAR)) ?? [];
    if (literal === undefined) throw new SyntaxError();
    this.#at += literal.length;
    return JSON.parse(literal);
  }

  #takes(character: string): boolean {
    if (this.#next() !== character) return false;
    this.#at += 1;
    return true;
  }

  /** The next character that is not a blank; empty at the end. */
  #next(): string {
    BLANKS.lastIndex = this.#at;
    const [blanks = ''] = BLANKS.exec(this.#text) ?? [];
    this.#at += blanks.length;
    this.#blanks += blanks.length;
    if (this.#blanks > MOST_BLANKS) throw new SyntaxError();
    return this.#text.charAt(this.#at);
  }

  /** @returns whether the step is at its end. */
  #spend(cost: number): boolean {
    this.#spent += cost;
    return this.#spent >= MOST_OF_STEP;
  }

  #endStep(): number {
    const spent = this.#spent;
    this.#spent = 0;
    return spent;
  }
}
