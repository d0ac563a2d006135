import { redactCredentials } from '../words/redact-credentials.ts';

/** Computes SHA-256 of a text as hexadecimal digits. The domain has no cryptography of its own: callers pass the function of the crypto room. */
export type TextDigest = (text: string) => string;

/** Most characters that one text of an entry keeps; a longer text ends in its length and digest. */
const LONGEST_TEXT = 512;
/** An escape takes six bytes, so a text of escapes keeps fewer characters: no entry outgrows the 65,535 bytes of a bundle. */
const LONGEST_ENCODED = 1024;
const KEPT_OF_ESCAPES = 100;
/** Most bytes that the entry of a refusal keeps of one text: the refused caller chose it, and can send any number of them. */
export const LONGEST_REFUSED = 128;
/** Most escapes that fit that length. */
const REFUSED_ESCAPES = 21;

/** Printable ASCII without the two characters that JSON escapes. */
const PLAIN = /^[ !#-[\]-~]*$/;
const BEYOND_ASCII = /[\u007f-\uffff]/g;

const escape = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

/**
 * JSON text of a string in printable ASCII only: no control character, line separator, bidirectional mark or lone surrogate reaches a terminal or a
 * line-based reader (ASVS 16.4.1). Each character is one byte.
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

/**
 * Cuts a text of a refusal to `LONGEST_REFUSED` bytes, and appends its length and digest. Credentials are redacted first, so that neither the kept
 * text nor the digest is of a credential.
 */
export function refusedText(text: string, digest: TextDigest): string {
  const shown = redactCredentials(text);
  if (quote(shown).length - 2 <= LONGEST_REFUSED) return shown;
  const kept = PLAIN.test(shown.slice(0, LONGEST_REFUSED)) ? LONGEST_REFUSED : REFUSED_ESCAPES;
  return cut(shown, kept, digest);
}

function quote(text: string): string {
  return JSON.stringify(text).replace(BEYOND_ASCII, escape);
}

function shortened(text: string, kept: number, digest: TextDigest): string {
  return quote(cut(text, kept, digest));
}

function cut(text: string, kept: number, digest: TextDigest): string {
  return `${text.slice(0, kept)}...[${text.length} characters, sha256 ${digest(text)}]`;
}
