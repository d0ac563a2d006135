/** SHA-256 of a text as hexadecimal digits. The domain has no cryptography of its own: callers pass the crypto room's. */
export type TextDigest = (text: string) => string;

/** Most characters that one text of an entry keeps; what is longer ends in its length and digest. */
export const LONGEST_TEXT = 512;

/** Printable ASCII without the two characters that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/;
const BEYOND_ASCII = /[\u007f-\uffff]/g;

const escape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * JSON text of a string in printable ASCII only: no control character, line separator, bidirectional mark or lone
 * surrogate reaches a terminal or a line-based reader (ASVS 16.4.1), and one character is one byte.
 */
export function encodeText(text: string, digest: TextDigest): string {
  const kept = text.length > LONGEST_TEXT ? shortened(text, digest) : text;
  if (PLAIN.test(kept)) return `"${kept}"`;
  return JSON.stringify(kept).replace(BEYOND_ASCII, escape);
}

function shortened(text: string, digest: TextDigest): string {
  return `${text.slice(0, LONGEST_TEXT)}...[${String(text.length)} characters, sha256 ${digest(text)}]`;
}
