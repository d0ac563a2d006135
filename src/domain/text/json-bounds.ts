const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

export interface JsonBounds {
  /** Nesting depth of objects and arrays. */
  readonly depth: number;
  /** Items of arrays and members of objects, all together. */
  readonly values: number;
  /** Characters outside of strings: signs, numbers and blanks. */
  readonly bare: number;
}

/**
 * The first bound that a JSON text exceeds; undefined if it exceeds none, or is not JSON. It scans each character once, builds nothing and stops at
 * the first bound: a megabyte of `[` costs a parser a quarter of a second (measured), and this function 33 characters.
 */
export function exceededBound(text: string, bounds: JsonBounds): keyof JsonBounds | undefined {
  let depth = 0;
  let commas = 0;
  let bare = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    bare += 1;
    // `[` and `{` differ in one bit from each other, and in two from `]` and `}`.
    if ((character | 0x20) === 0x7b) depth += 1;
    else if ((character | 0x20) === 0x7d) depth -= 1;
    else if (character === COMMA) commas += 1;
    if (depth > bounds.depth) return 'depth';
    // This number of commas separates at least one value more.
    if (commas >= bounds.values) return 'values';
    if (bare > bounds.bare) return 'bare';
  }
  return undefined;
}

/** The end of the string that begins at `start`, at its closing quote; the end of the text if the string is not closed. */
export function endOfString(text: string, start: number): number {
  let end = start;
  do {
    end = text.indexOf('"', end + 1);
    if (end === -1) return text.length;
  } while (isEscaped(text, end));
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 0;
}
