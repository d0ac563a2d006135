/** What is wrong with a document, where the schema's author has no word of their own for it: what is not there is missing, of whatever type it should be. */
export function schemaWords({ input }: { readonly input?: unknown }): string | undefined {
  return input === undefined ? 'is missing' : undefined;
}
