/**
 * One YAML document, read strictly: a key that is there twice is an error. The problem names line and kind, never the content, which may be a secret
 * in the wrong place. The library is loaded here, because an agent that is configured by its environment needs none (8 ms of the start).
 * @param maxAliasCount 0 refuses every alias; the library's default bounds how much aliases may expand
 */
export async function readYaml(
  text: string,
  maxAliasCount = 100,
): Promise<{ readonly value: unknown } | { readonly problem: string }> {
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { strict: true, uniqueKeys: true, prettyErrors: false });
  const [error] = document.errors;
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length;
    return { problem: `line ${line} is not valid YAML (${error.code})` };
  }
  try {
    return { value: document.toJS({ maxAliasCount }) };
  } catch {
    return { problem: 'not valid YAML (aliases)' };
  }
}
