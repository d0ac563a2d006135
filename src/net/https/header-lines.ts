const HEADER = /^([\w!#$%&'*+.^`|~-]+):[ \t]*([\x20-\x7e]*?)[ \t]*$/;

/**
 * The headers in a file of lines `Name: value`. `setting` names the file in the configuration.
 * @throws Error with the number of a malformed line, and not its text, which may be a token
 */
export function headersIn(text: string, setting: string): Readonly<Record<string, string>> {
  const lines = text.split(/\r?\n/).filter((line) => line !== '');
  return Object.fromEntries(
    lines.map((line, index) => {
      const [, name, value] = HEADER.exec(line) ?? [];
      if (name === undefined || value === undefined)
        throw new Error(`${setting}: line ${index + 1} is not "Name: value"`);
      return [name.toLowerCase(), value] as const;
    }),
  );
}
