/**
 * The text with control and format characters as escapes. Other people write names, comments and descriptions, and a terminal would
 * interpret such characters in them (CWE-150).
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

/** Escapes like `printable`, but keeps line breaks and tabs. */
export function printableText(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]|[\p{Cf}\p{Zl}\p{Zp}]/gu, escaped);
}

function isPrintable(text: string): boolean {
  return printableText(text) === text;
}

/** JSON with the same content. `JSON.stringify` escapes only control characters below U+0020; the others can occur only inside strings. */
export function printableJson(body: unknown, indent?: number): string {
  const text = JSON.stringify(body, undefined, indent);
  return text.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    character.split('').map(unicodeEscape).join(''),
  );
}

/** The escape of one UTF-16 code unit in JSON and YAML. */
function unicodeEscape(unit: string): string {
  return `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code === 0x0a ? '\\n' : `\\u{${code.toString(16)}}`;
}

/** YAML with the same content, with characters that a terminal would interpret as escapes in double quotes. */
export async function printableYaml(body: unknown): Promise<string> {
  const { dump, visit, SCALAR_STYLE } = await import('js-yaml');
  const text = dump(body, {
    noRefs: true,
    lineWidth: -1,
    transform: (documents) => {
      visit(documents, (node) => {
        if (node.kind !== 'scalar' || isPrintable(node.value)) return;
        node.style = SCALAR_STYLE.DOUBLE_QUOTED;
      });
    },
  });
  return text.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, yamlEscape);
}

/** YAML 1.2.2, section 5.7: `\u` has four digits, `\U` has eight. */
function yamlEscape(character: string): string {
  if (character.length === 1) return unicodeEscape(character);
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
}
