/**
 * The text with control and format characters written as escapes: names, comments and descriptions are other people's, and a terminal
 * would obey what is in them (CWE-150).
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** The same, but line breaks and tabs stay as they are. */
export function printableText(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code === 0x0a ? '\\n' : `\\u{${code.toString(16)}}`;
}
