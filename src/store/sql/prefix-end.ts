const LAST_CODE_POINT = 0x10ffff;
const SURROGATES_START = 0xd800;
const SURROGATES_END = 0xdfff;

/**
 * Returns the smallest text after every text that starts with `prefix`, in UTF-8 byte order. Undefined if there is none (the empty prefix, or only
 * the last code point).
 */
export function prefixEnd(prefix: string): string | undefined {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  while (points.at(-1) === LAST_CODE_POINT) points.pop();
  const last = points.pop();
  if (last === undefined) return undefined;
  const next = last + 1;
  const isSurrogate = next >= SURROGATES_START && next <= SURROGATES_END;
  return String.fromCodePoint(...points, isSurrogate ? SURROGATES_END + 1 : next);
}
