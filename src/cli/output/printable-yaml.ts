import { isPrintable, unicodeEscape } from './printable.ts';

/** YAML of the same content, in which nothing is left that a terminal would obey: such characters stand as escapes in double quotes. */
export async function printableYaml(body: unknown): Promise<string> {
  const { Document, visit } = await import('yaml');
  const document = new Document(body);
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && !isPrintable(node.value)) node.type = 'QUOTE_DOUBLE';
    },
  });
  return document
    .toString({ lineWidth: 0 })
    .replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu, yamlEscape);
}

/** YAML 1.2.2, section 5.7: `\u` with four digits, `\U` with eight. */
function yamlEscape(character: string): string {
  if (character.length === 1) return unicodeEscape(character);
  return `\\U${(character.codePointAt(0) ?? 0).toString(16).padStart(8, '0')}`;
}
