import { pathOf } from '../domain/json-pointer.ts';

const BACKSLASH = 0x5c;

/** The offset at which a value begins in its text, and the offsets of the values within it. */
interface Place {
  readonly at: number;
  readonly within?: Within;
}

/** By name in an object, by index in an array. */
type Within = ReadonlyMap<string, Place> | readonly Place[];

/**
 * Walks JSON text that `JSON.parse` accepted and `checkValue` limited, so recursion is shallow and each token is well formed. It walks once
 * for any number of places: a body may have fifty problems, each at the end of a long text.
 */
export class JsonText {
  readonly #text: string;
  #at = 0;
  #duplicate = false;
  readonly #root: Place;

  constructor(text: string) {
    this.#text = text;
    this.#root = this.#value();
  }

  /** Whether an object names a member twice: parsers disagree about which one counts (RFC 8259 §4). */
  hasDuplicateKeys(): boolean {
    return this.#duplicate;
  }

  /** The offset of the value at a JSON pointer; undefined if there is none. */
  offsetOf(pointer: string): number | undefined {
    const parts = pathOf(pointer);
    let place: Place | undefined = this.#root;
    for (const part of parts) place = place && childOf(place, part);
    return place?.at;
  }

  #value(): Place {
    this.#space();
    const at = this.#at;
    const character = this.#text.charAt(at);
    if (character === '{') return { at, within: this.#object() };
    if (character === '[') return { at, within: this.#array() };
    if (character === '"') this.#string();
    else this.#skip((next) => !',]} \t\r\n'.includes(next));
    return { at };
  }

  #object(): ReadonlyMap<string, Place> {
    const members = new Map<string, Place>();
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text.charAt(this.#at) === '}') break;
      if (this.#text.charAt(this.#at) === ',') this.#at += 1;
      this.#space();
      const name = JSON.parse(this.#string()) as string;
      if (members.has(name)) this.#duplicate = true;
      this.#space();
      this.#at += 1;
      members.set(name, this.#value());
    }
    this.#at += 1;
    return members;
  }

  #array(): readonly Place[] {
    const items: Place[] = [];
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text.charAt(this.#at) === ']') break;
      if (this.#text.charAt(this.#at) === ',') this.#at += 1;
      items.push(this.#value());
    }
    this.#at += 1;
    return items;
  }

  /** The string literal with its quotes. `"k\u0065y"` and `"key"` are the same name, so names are compared after decoding. */
  #string(): string {
    const start = this.#at;
    let end = this.#text.indexOf('"', start + 1);
    while (this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    this.#at = end + 1;
    return this.#text.slice(start, this.#at);
  }

  #isEscaped(at: number): boolean {
    let before = at - 1;
    while (this.#text.charCodeAt(before) === BACKSLASH) before -= 1;
    return (at - before) % 2 === 0;
  }

  #space(): void {
    this.#skip((next) => ' \t\r\n'.includes(next));
  }

  #skip(passes: (next: string) => boolean): void {
    while (this.#at < this.#text.length && passes(this.#text.charAt(this.#at))) this.#at += 1;
  }
}

function childOf({ within }: Place, part: string): Place | undefined {
  if (within === undefined) return undefined;
  return 'get' in within ? within.get(part) : within[Number(part)];
}
