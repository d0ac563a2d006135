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

export function isPrintable(text: string): boolean {
  return printableText(text) === text;
}

/** JSON of the same content: `JSON.stringify` itself escapes only the controls below U+0020, and these stand in texts alone. */
export function printableJson(body: unknown, indent?: number): string {
  const text = JSON.stringify(body, undefined, indent);
  return text.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.split('').map(unicodeEscape).join(''),
  );
}

/** Of one UTF-16 unit, as JSON and YAML have it. */
export function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code === 0x0a ? '\\n' : `\\u{${code.toString(16)}}`;
}
