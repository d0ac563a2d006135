/**
 * The members of an object that a reader wants, by name. `true`: a text, a number or a literal. `start`: the first 4,096 bytes of a text, because the sender
 * could hide a longer one otherwise.
 */
export interface WantedMembers {
  readonly [member: string]: true | 'start' | WantedMembers;
}

/** A document whose member `list` holds items that are delivered one by one. */
export interface StreamedShape {
  readonly list: string;
  readonly item: WantedMembers;
  readonly root: WantedMembers;
}

/** A longer text is left out or cut: no reader of a stream needs it whole, and the sender would choose how much memory it takes. */
const LONGEST_TEXT = 4_096;
/** Bytes of an escape sequence or of a character, of which a cut may leave a part. */
const LONGEST_SEQUENCE = 6;
const LONGEST_SCALAR = 64;
const QUOTED = '"';
/** ASCII without control characters and escapes: its bytes are its characters. */
const PLAIN = /^[ -[\]-~]*$/;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** A text that is not JSON. */
export class MalformedStream extends Error {}

type Members = Record<string, unknown>;

/** Part of the text that must come next. */
type State =
  | 'value'
  | 'first-element'
  | 'first-name'
  | 'name'
  | 'colon'
  | 'after-value'
  | 'text'
  | 'scalar'
  | 'skipped'
  | 'end';

const NAMES: readonly State[] = ['name', 'first-name'];
const CLOSABLE: readonly State[] = ['after-value', 'first-name', 'first-element'];

/** An object that is being read, or the list of items, which has no members. */
interface Frame {
  readonly members: Members | undefined;
  readonly wanted: WantedMembers;
  name: string;
}

/**
 * Reads one JSON object in pieces, and keeps only the members of its shape. It takes the memory of one item, whatever the sender puts into other members: they are
 * passed over without being parsed, so their syntax is not checked. One loop over the bytes does that at about 100 MB a second.
 */
export class StreamedJson {
  readonly #shape: StreamedShape;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Members of the object outside of its list; whole after `end`. */
  readonly root: Members = {};
  readonly #stack: Frame[] = [];
  #items: Members[] = [];
  #state: State = 'value';
  /** Bytes of the text or scalar in progress. */
  #parts: Uint8Array[] = [];
  #length = 0;
  /** True if the text in progress is the name of a member. */
  #isName = false;
  #isEscaped = false;
  /** Depth of the value that is passed over, and whether the reader is within a text there. */
  #depth = 0;
  #isInText = false;

  constructor(shape: StreamedShape) {
    this.#shape = shape;
  }

  /** Takes the next bytes. @throws MalformedStream */
  write(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#state === 'text') at = this.#readText(bytes, at);
      else if (this.#state === 'scalar') at = this.#readScalar(bytes, at);
      else if (this.#state === 'skipped') at = this.#passOver(bytes, at);
      else at = this.#readSyntax(bytes, at);
    }
  }

  /** Returns the items that are complete since the last call, also after an error. */
  takeItems(): readonly Members[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }

  /** @throws MalformedStream if the document is not complete. */
  end(): void {
    if (this.#state !== 'end') throw new MalformedStream();
  }

  /** Reads spaces and one byte between names and values. */
  #readSyntax(bytes: Buffer, from: number): number {
    let at = from;
    while (isSpace(bytes[at])) at += 1;
    const byte = bytes[at];
    if (byte === undefined) return at;
    if (this.#state === 'value') return this.#beginValue(byte, at);
    if (this.#state === 'first-element' && byte !== CLOSE_ARRAY) return this.#beginValue(byte, at);
    this.#takeMark(byte);
    return at + 1;
  }

  /** Takes one byte between names and values. */
  #takeMark(byte: number): void {
    const state = this.#state;
    if (byte === QUOTE && NAMES.includes(state)) this.#begin('text');
    else if (byte === COLON && state === 'colon') this.#state = 'value';
    else if (byte === COMMA && state === 'after-value')
      this.#state = this.#top?.members === undefined ? 'value' : 'name';
    else if (CLOSABLE.includes(state)) this.#close(byte);
    else throw new MalformedStream();
  }

  get #top(): Frame | undefined {
    return this.#stack.at(-1);
  }

  /** Begins a value. Its first byte stays if it is a part of the value. */
  #beginValue(byte: number, at: number): number {
    const wanted = this.#wanted();
    if (byte === OPEN_OBJECT && typeof wanted === 'object') {
      const members = this.#stack.length === 0 ? this.root : {};
      this.#stack.push({ members, wanted, name: '' });
      this.#state = 'first-name';
      return at + 1;
    }
    if (this.#stack.length === 0) throw new MalformedStream();
    if (byte === OPEN_ARRAY && this.#isList()) {
      this.#stack.push({ members: undefined, wanted: this.#shape.item, name: '' });
      this.#state = 'first-element';
      return at + 1;
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) return this.#beginSkipped(at);
    if (byte !== QUOTE) this.#begin('scalar');
    else if (wanted === undefined) return this.#beginSkipped(at);
    else this.#begin('text');
    return byte === QUOTE ? at + 1 : at;
  }

  #beginSkipped(at: number): number {
    this.#depth = 0;
    this.#isInText = false;
    this.#isEscaped = false;
    this.#state = 'skipped';
    return at;
  }

  #isList(): boolean {
    return this.#stack.length === 1 && this.#top?.name === this.#shape.list;
  }

  /** The shape of the value that begins; undefined if the shape does not have it. */
  #wanted(): true | 'start' | WantedMembers | undefined {
    const top = this.#top;
    if (top === undefined) return this.#shape.root;
    if (top.members === undefined) return top.wanted;
    return Object.hasOwn(top.wanted, top.name) ? top.wanted[top.name] : undefined;
  }

  #begin(state: 'text' | 'scalar'): void {
    this.#parts = [];
    this.#length = 0;
    this.#isEscaped = false;
    this.#isName = NAMES.includes(this.#state);
    this.#state = state;
  }
  /** Ends the innermost object or list. */
  #close(byte: number): void {
    const closed = this.#stack.pop();
    const expected = closed?.members === undefined ? CLOSE_ARRAY : CLOSE_OBJECT;
    if (closed === undefined || byte !== expected) throw new MalformedStream();
    if (closed.members !== undefined && this.#top !== undefined) this.#complete(closed.members);
    this.#state = this.#stack.length === 0 ? 'end' : 'after-value';
  }

  /** Assigns a value to its member, or adds an item. */
  #complete(value: unknown): void {
    const top = this.#top;
    this.#state = 'after-value';
    if (top === undefined) return;
    if (top.members !== undefined) {
      if (this.#wanted() !== undefined) top.members[top.name] = value;
    } else if (typeof value === 'object' && value !== null) this.#items.push(value as Members);
  }

  #readText(bytes: Buffer, from: number): number {
    const at = this.#endOfText(bytes, from);
    const isOver = at < bytes.length;
    const isWhole = isOver && this.#length === 0 && at - from <= LONGEST_TEXT;
    const text = isWhole ? bytes.toString('latin1', from, at) : undefined;
    // Almost every text is plain and in one piece. The parser would take most of the time.
    if (text !== undefined && PLAIN.test(text)) this.#completeText(text);
    else {
      this.#keep(bytes.subarray(from, at), LONGEST_TEXT);
      if (isOver) this.#completeText(this.#parsedText());
    }
    return isOver ? at + 1 : at;
  }

  /** Finds the quote that ends a text; the end of the bytes if it is not among them. */
  #endOfText(bytes: Buffer, from: number): number {
    let at = from;
    for (; at < bytes.length; at += 1) {
      const byte = bytes[at];
      if (this.#isEscaped) this.#isEscaped = false;
      else if (byte === BACKSLASH) this.#isEscaped = true;
      else if (byte === QUOTE) break;
    }
    return at;
  }

  #parsedText(): unknown {
    if (this.#length <= LONGEST_TEXT) return this.#parsed(Buffer.concat(this.#parts), QUOTED);
    return !this.#isName && this.#wanted() === 'start' ? this.#parsedStart() : undefined;
  }

  /** Parses the start of a longer text, without the character that its end cuts. */
  #parsedStart(): unknown {
    const bytes = Buffer.concat(this.#parts);
    for (let cut = 0; cut < LONGEST_SEQUENCE; cut += 1) {
      try {
        return this.#parsed(bytes.subarray(0, bytes.length - cut), QUOTED);
      } catch (error) {
        if (!(error instanceof MalformedStream)) throw error;
      }
    }
    throw new MalformedStream();
  }

  #completeText(text: unknown): void {
    const top = this.#top;
    if (!this.#isName || top === undefined) {
      this.#complete(text);
      return;
    }
    top.name = typeof text === 'string' ? text : '';
    this.#state = 'colon';
  }

  /** Reads a number or a literal. The byte after it stays. */
  #readScalar(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length && !isAfterScalar(bytes[at])) at += 1;
    this.#keep(bytes.subarray(from, at), LONGEST_SCALAR);
    if (this.#length > LONGEST_SCALAR) throw new MalformedStream();
    if (at === bytes.length) return at;
    if (this.#length === 0) throw new MalformedStream();
    const isWanted = this.#wanted() !== undefined;
    this.#complete(isWanted ? this.#parsed(Buffer.concat(this.#parts), '') : undefined);
    return at;
  }

  /** Keeps bytes up to a length. A copy: a part of a piece would keep the whole piece in memory. */
  #keep(part: Uint8Array, longest: number): void {
    const room = longest - this.#length;
    this.#length += part.length;
    if (room > 0) this.#parts.push(part.slice(0, room));
  }

  #parsed(bytes: Uint8Array, quote: string): unknown {
    try {
      return JSON.parse(quote + this.#decoder.decode(bytes) + quote) as unknown;
    } catch {
      throw new MalformedStream();
    }
  }

  /** Passes a value over. Of an object or a list, only quotes and brackets count. */
  #passOver(bytes: Buffer, from: number): number {
    let at = from;
    while (at < bytes.length) {
      if (this.#isInText) at = this.#passText(bytes, at);
      else {
        const byte = bytes[at];
        if (byte === QUOTE) this.#isInText = true;
        else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#depth += 1;
        else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) this.#depth -= 1;
        at += 1;
      }
      if (this.#depth === 0 && !this.#isInText) {
        this.#state = 'after-value';
        return at;
      }
    }
    return at;
  }

  #passText(bytes: Buffer, from: number): number {
    const at = this.#endOfText(bytes, from);
    if (at === bytes.length) return at;
    this.#isInText = false;
    return at + 1;
  }
}

/** Space, tab, line feed and carriage return (RFC 8259 §2). */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

function isAfterScalar(byte: number | undefined): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || isSpace(byte);
}
