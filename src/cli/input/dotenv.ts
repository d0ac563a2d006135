/** A line that cannot be read. The message never quotes the text, which may be a secret. */
export class DotenvError extends Error {
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.name = 'DotenvError';
    this.line = line;
  }
}

export interface DotenvEntry {
  readonly name: string;
  readonly value: string;
  readonly line: number;
  /** True: the value has a `#` and no quotes. Shells and Python keep it, Node cuts the value there. */
  readonly isAmbiguous: boolean;
}

const ASSIGNMENT = /^(?:export[ \t]+)?([^\s=#'"]+)[ \t]*=[ \t]*/;
const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' };

/**
 * The assignments of a `.env` file: `NAME=value`, with `export`, comments, and quotes over several lines, as the libraries of this
 * format read them. In double quotes a backslash escapes quotes, `$`, a backquote and itself, and `\n`, `\r`, `\t` are control characters.
 * Variables are not expanded: the value is what the text says. @throws DotenvError
 */
export function parseDotenv(text: string): readonly DotenvEntry[] {
  const entries: DotenvEntry[] = [];
  const rest = new Rest(text.replace(/^\ufeff/, ''));
  for (;;) {
    rest.skip(/^(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*(?:#[^\n]*)?/);
    if (rest.isEmpty) return entries;
    const { line } = rest;
    const name = rest.take(ASSIGNMENT)?.[1];
    if (name === undefined) throw new DotenvError(line, 'is not NAME=value');
    const isQuoted = rest.isAt(/^['"]/);
    const value = valueAt(rest, line);
    if (entries.some((each) => each.name === name)) {
      throw new DotenvError(line, `sets ${name} again`);
    }
    entries.push({ name, value, line, isAmbiguous: !isQuoted && value.includes('#') });
  }
}

function valueAt(rest: Rest, line: number): string {
  const quote = rest.take(/^['"]/)?.[0];
  if (quote === undefined) {
    const [plain = ''] = rest.take(/^[^\r\n]*/) ?? [];
    return plain.replace(/(?:^|[ \t])#.*$/, '').trim();
  }
  const quoted = rest.take(quote === "'" ? /^([^']*)'/ : /^((?:[^"\\]|\\[\s\S])*)"/)?.[1];
  if (quoted === undefined) throw new DotenvError(line, `has no closing ${quote}`);
  if (!rest.skip(/^[ \t]*(?:#[^\n]*)?(?=\r?\n|$)/)) {
    throw new DotenvError(rest.line, 'has text after the closing quote');
  }
  if (quote === "'") return quoted;
  return quoted.replace(
    /\\([\\"$`nrt])/g,
    (_, character: string) => ESCAPES[character] ?? character,
  );
}

/** The text that is not read yet, with the number of its first line. */
class Rest {
  readonly #text: string;
  #at = 0;
  line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  get isEmpty(): boolean {
    return this.#at === this.#text.length;
  }

  isAt(pattern: RegExp): boolean {
    return pattern.test(this.#text.slice(this.#at));
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    const found = pattern.exec(this.#text.slice(this.#at));
    if (found === null) return undefined;
    this.#at += found[0].length;
    this.line += found[0].split('\n').length - 1;
    return found;
  }

  skip(pattern: RegExp): boolean {
    return this.take(pattern) !== undefined;
  }
}
