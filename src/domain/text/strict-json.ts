import { pathOf } from '../words/json-pointer.ts';
import { hasDuplicateNames } from './duplicate-names.ts';
import { exceededBound, type JsonBounds } from './json-bounds.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/** Makes the caller's error from the problem found in the text. */
export type StrictJsonRefusal = (reason: 'malformed' | 'duplicate_claim') => Error;

/** A Kubernetes token nests three deep, a proof two; deeper text overflows recursive readers later (RFC 8259 §9 allows a limit). Callers limit the length. */
const BOUNDS: JsonBounds = { depth: 16, values: Infinity, bare: Infinity };
const TAB = 0x09;
const NEW_LINE = 0x0a;
const RETURN = 0x0d;
const BLANK = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a JSON object and refuses duplicate names at any depth: parsers disagree about which one counts (RFC 7519 §4).
 * @throws the error that `refused` makes of `malformed`, `duplicate_claim`.
 */
export function parseStrictObject(bytes: Uint8Array, refused: StrictJsonRefusal): JsonObject {
  const parsed = parse(bytes);
  const value = parsed?.value;
  if (parsed === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused('malformed');
  }
  if (hasDuplicateNames(parsed.text, value)) throw refused('duplicate_claim');
  return value as JsonObject;
}

function parse(bytes: Uint8Array): { readonly text: string; readonly value: unknown } | undefined {
  try {
    const text = decoder.decode(bytes);
    if (exceededBound(text, BOUNDS) !== undefined) return undefined;
    return { text, value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** The offset at which a value begins in its text, and the offsets of the values within it: by name in an object, by index in an array. */
interface Place {
  readonly at: number;
  readonly within?: ReadonlyMap<string, Place> | readonly Place[];
}

/** A place in a text: line and column from 1. Columns count UTF-16 code units, as editors do. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Converts offsets of a text to positions. Finds the lines on first use. */
export class Lines {
  readonly #text: string;
  #starts: readonly number[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  positionAt(offset: number): Position {
    this.#starts ??= startsOf(this.#text);
    let [line, after] = [0, this.#starts.length];
    while (after - line > 1) {
      const middle = (line + after) >> 1;
      if ((this.#starts[middle] ?? 0) > offset) after = middle;
      else line = middle;
    }
    return { line: after, column: offset - (this.#starts[line] ?? 0) + 1 };
  }
}

function startsOf(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    starts.push(at + 1);
  }
  return starts;
}

/**
 * Walks JSON text that `JSON.parse` accepted, so each token is well formed, and that names no member twice. It recurses, so the caller bounds deep text. It
 * walks once for any number of positions: a body may have fifty problems, each at the end of a long text.
 */
export class JsonText {
  readonly #text: string;
  #at = 0;
  readonly #root: Place;
  readonly #lines: Lines;

  constructor(text: string) {
    this.#text = text;
    this.#lines = new Lines(text);
    this.#root = this.#value();
  }

  /** The position of the value at a JSON pointer; undefined if there is none. */
  locate(pointer: string): Position | undefined {
    let place: Place | undefined = this.#root;
    for (const part of pathOf(pointer)) place = place && childOf(place, part);
    return place && this.#lines.positionAt(place.at);
  }

  #value(): Place {
    this.#space();
    const at = this.#at;
    const character = this.#text.charCodeAt(at);
    if (character === OPEN_OBJECT || character === OPEN_ARRAY) {
      const within = character === OPEN_OBJECT ? this.#object() : this.#array();
      return { at, within };
    }
    if (character === QUOTE) this.#skipString();
    else this.#skipBare();
    return { at };
  }

  #object(): ReadonlyMap<string, Place> {
    const members = new Map<string, Place>();
    this.#at += 1;
    while (this.#space() !== CLOSE_OBJECT) {
      if (this.#space() === COMMA) this.#at += 1;
      const name = this.#name();
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
    while (this.#space() !== CLOSE_ARRAY) {
      if (this.#space() === COMMA) this.#at += 1;
      items.push(this.#value());
    }
    this.#at += 1;
    return items;
  }

  /** `"k\u0065y"` and `"key"` are the same name, so names are compared after decoding. */
  #name(): string {
    this.#space();
    const start = this.#at;
    this.#skipString();
    const literal = this.#text.slice(start + 1, this.#at - 1);
    return literal.includes('\\') ? (JSON.parse(`"${literal}"`) as string) : literal;
  }

  /** A string ends at the first quote behind an even number of backslashes. */
  #skipString(): void {
    let end = this.#text.indexOf('"', this.#at + 1);
    while (this.#isEscaped(end)) end = this.#text.indexOf('"', end + 1);
    this.#at = end + 1;
  }

  #isEscaped(at: number): boolean {
    let before = at - 1;
    while (this.#text.charCodeAt(before) === BACKSLASH) before -= 1;
    return (at - before) % 2 === 0;
  }

  /** A number, `true`, `false` or `null`. */
  #skipBare(): void {
    const text = this.#text;
    let at = this.#at;
    for (; at < text.length; at += 1) {
      const character = text.charCodeAt(at);
      if (character === COMMA || character === CLOSE_ARRAY || character === CLOSE_OBJECT) break;
      if (isBlank(character)) break;
    }
    this.#at = at;
  }

  /** The first character after blanks. */
  #space(): number {
    const text = this.#text;
    let character = text.charCodeAt(this.#at);
    while (isBlank(character)) {
      this.#at += 1;
      character = text.charCodeAt(this.#at);
    }
    return character;
  }
}

function isBlank(character: number): boolean {
  return character === BLANK || character === NEW_LINE || character === RETURN || character === TAB;
}

function childOf({ within }: Place, part: string): Place | undefined {
  if (within === undefined) return undefined;
  return 'get' in within ? within.get(part) : within[Number(part)];
}
