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

/** Columns count UTF-16 code units, as editors do. */
export function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: offset - lineStart + 1 };
}
