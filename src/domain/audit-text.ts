/** SHA-256 of a text as hexadecimal digits. The domain has no cryptography of its own: callers pass the crypto room's. */
export type TextDigest = (text: string) => string;

/** Most characters that one text of an entry keeps; what is longer ends in its length and digest. */
const LONGEST_TEXT = 512;
/** An escape is six bytes: texts made of escapes keep fewer characters, so that no entry outgrows a bundle's 65,535 bytes. */
const LONGEST_ENCODED = 1024;
const KEPT_OF_ESCAPES = 100;

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
  if (text.length <= LONGEST_TEXT) {
    if (PLAIN.test(text)) return `"${text}"`;
    const encoded = quote(text);
    return encoded.length <= LONGEST_ENCODED ? encoded : shortened(text, KEPT_OF_ESCAPES, digest);
  }
  const encoded = shortened(text, LONGEST_TEXT, digest);
  return encoded.length <= LONGEST_ENCODED ? encoded : shortened(text, KEPT_OF_ESCAPES, digest);
}

function quote(text: string): string {
  return JSON.stringify(text).replace(BEYOND_ASCII, escape);
}

function shortened(text: string, kept: number, digest: TextDigest): string {
  return quote(`${text.slice(0, kept)}...[${text.length} characters, sha256 ${digest(text)}]`);
}
