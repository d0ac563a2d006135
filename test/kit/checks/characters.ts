import fc from 'fast-check';

type Range = readonly [first: number, last: number];

/**
 * Generates the characters of some ranges: the same ones as fast-check for the same seed. fast-check itself keeps a map of all characters in the process that
 * shrinks a text: half a second of processor time, and 185 MB.
 */
function charactersIn(ranges: readonly Range[]): fc.Arbitrary<string> {
  const count = ranges.reduce((sum, [first, last]) => sum + last - first + 1, 0);
  const character = (index: number): string => {
    let rest = index;
    for (const [first, last] of ranges) {
      if (first + rest <= last) return String.fromCodePoint(first + rest);
      rest -= last - first + 1;
    }
    throw new Error(`${index} of ${count} characters`);
  };
  // fast-check requires an error for every other value.
  const indexOf = (value: unknown): number => {
    const code = typeof value === 'string' ? value.codePointAt(0) : undefined;
    let before = 0;
    for (const [first, last] of ranges) {
      if (
        code !== undefined &&
        code >= first &&
        code <= last &&
        String.fromCodePoint(code) === value
      )
        return before + code - first;
      before += last - first + 1;
    }
    throw new Error('no character of these ranges');
  };
  return fc.nat(count - 1).map(character, indexOf);
}

const BEYOND_SURROGATES: Range = [0xe000, 0x10ffff];

/** Every character of Unicode, as `unit: 'binary'` of fast-check. */
export const anyCharacter = charactersIn([[0, 0xd7ff], BEYOND_SURROGATES]);
/** The characters of the pattern `\P{Cc}`. */
export const noControlCharacter = charactersIn([[0x20, 0x7e], [0xa0, 0xd7ff], BEYOND_SURROGATES]);
