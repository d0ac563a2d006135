/** A body after parsing: what it says, and where in its text each place is. */
export interface ParsedBody {
  readonly value: unknown;
  /** Line and column from 1 of the value at a JSON pointer. */
  locate(pointer: string): Position | undefined;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Offsets of a text as lines and columns, which count UTF-16 code units, as editors do. Lines are looked for once, when first asked. */
export class Lines {
  readonly #text: string;
  #starts: readonly number[] | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  positionAt(offset: number): Position {
    this.#starts ??= startsOf(this.#text);
    const after = this.#starts.findIndex((start) => start > offset);
    const line = after === -1 ? this.#starts.length : after;
    return { line, column: offset - (this.#starts[line - 1] ?? 0) + 1 };
  }
}

function startsOf(text: string): readonly number[] {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    starts.push(at + 1);
  }
  return starts;
}
