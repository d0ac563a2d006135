const LONGEST_QUOTE = 120;
/** What the library says without quoting anything that was computed; all else is only called what it is. */
const QUIET = [
  /^undefined filter: \w+/,
  /^tag "?\w+"? not (?:found|closed)/,
  /^(?:output|tag|raw) .* not closed/,
  /^parse length limit exceeded/,
  /^template render limit exceeded/,
  /^memory alloc limit exceeded/,
  /^the value is bytes: write it with the filter base64/,
  /^the filter takes text/,
  /^a variable is none of a secret: begin with "secrets\."/,
];

interface Token {
  getText(): string;
  getPosition(): readonly number[];
}

/**
 * `:line:column: what: text of the template`. The library names a missing variable by what its parts came to, so that `secrets[secrets.a.b]`
 * would print a value: here the template's own text stands for it.
 */
export function templateMessage(error: unknown): string {
  if (!(error instanceof Error)) return ': failed';
  const token = 'token' in error ? (error.token as Token | undefined) : undefined;
  const place = token === undefined ? '' : `:${token.getPosition().join(':')}`;
  const text = token?.getText().trim();
  const quoted = text === undefined || text === '' ? '' : `: ${shortened(text)}`;
  return `${place}: ${whatOf(error)}${quoted}`;
}

function whatOf(error: Error): string {
  if (error.name === 'UndefinedVariableError') return 'there is no such variable';
  const said = QUIET.map((pattern) => pattern.exec(error.message)?.[0]).find(
    (text) => text !== undefined,
  );
  return said ?? (error.name === 'RenderError' ? 'cannot be rendered' : 'is not understood');
}

function shortened(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}…` : line;
}
