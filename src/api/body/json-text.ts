const BACKSLASH = 0x5c;

/** Walks JSON text that `JSON.parse` accepted and `checkValue` bounded, so that recursion is shallow and every token is well formed. */
export class JsonText {
  readonly #text: string;
  #at = 0;
  #duplicate = false;
  #wanted: readonly string[] | undefined;
  #found: number | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Whether an object names a member twice: parsers disagree which of them counts (RFC 8259 §4). */
  hasDuplicateKeys(): boolean {
    this.#walk([]);
    return this.#duplicate;
  }

  /** Where the value at a JSON pointer begins; undefined when it is not there. */
  offsetOf(pointer: string): number | undefined {
    this.#wanted = pointer
      .split('/')
      .slice(1)
      .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
    this.#walk([]);
    return this.#found;
  }

  #walk(root: string[]): void {
    this.#at = 0;
    this.#found = undefined;
    this.#value(root);
  }

  #value(place: string[]): void {
    this.#space();
    if (this.#wanted !== undefined && isSame(this.#wanted, place)) this.#found = this.#at;
    const character = this.#text.charAt(this.#at);
    if (character === '{') this.#object(place);
    else if (character === '[') this.#array(place);
    else if (character === '"') this.#string();
    else this.#skip((next) => !',]} \t\r\n'.includes(next));
  }

  #object(place: string[]): void {
    const names = new Set<string>();
    this.#at += 1;
    for (;;) {
      this.#space();
      if (this.#text.charAt(this.#at) === '}') break;
      if (this.#text.charAt(this.#at) === ',') this.#at += 1;
      this.#space();
      const name = JSON.parse(this.#string()) as string;
      if (names.has(name)) this.#duplicate = true;
      names.add(name);
      this.#space();
      this.#at += 1;
      this.#child(place, name);
    }
    this.#at += 1;
  }

  #array(place: string[]): void {
    this.#at += 1;
    let index = 0;
    for (;;) {
      this.#space();
      if (this.#text.charAt(this.#at) === ']') break;
      if (this.#text.charAt(this.#at) === ',') this.#at += 1;
      this.#child(place, String(index));
      index += 1;
    }
    this.#at += 1;
  }

  #child(place: string[], name: string): void {
    place.push(name);
    this.#value(place);
    place.pop();
  }

  /** The literal with its quotes. `"k\u0065y"` and `"key"` are one name, so names are compared decoded. */
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

function isSame(wanted: readonly string[], place: readonly string[]): boolean {
  return wanted.length === place.length && wanted.every((part, index) => part === place[index]);
}
