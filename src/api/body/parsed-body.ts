/** A parsed body: its value, and the position of each part in its text. */
export interface ParsedBody {
  readonly value: unknown;
  /** Line and column from 1 of the value at a JSON pointer. */
  locate(pointer: string): Position | undefined;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Converts offsets of a text to lines and columns, which count UTF-16 code units as editors do. Finds the lines on first use. */
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
