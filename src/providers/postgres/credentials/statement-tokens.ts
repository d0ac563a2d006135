/** The placeholders, each of one kind: a name, or a text. */
export const PLACEHOLDERS = ['name', 'password', 'expiration'] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

export type StatementToken =
  | { readonly kind: 'placeholder'; readonly text: Placeholder }
  /** Folded to lower case, as the server does. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'other'; readonly text: string };

/** Also in the quotes that other programs write around it, where it fills them. */
const PLACEHOLDER = /\{\{\s*(\w+)\s*\}\}|"\{\{\s*(\w+)\s*\}\}"|'\{\{\s*(\w+)\s*\}\}'/y;
const SPACE = /\s+/y;
/** Only plain letters: what the server folds otherwise is not told apart here. */
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED_NAME = /"((?:[^"\0]|"")+)"/y;
/** No backslash: what it means depends on a setting. */
const TEXT = /'(?:[^'\\\0]|'')*'/y;
const SIGN = /[0-9.,()=+*<>:-]/y;

/**
 * The parts of a statement template, with where each begins and ends. Undefined for anything that could end the statement, hide a part of it or be
 * read in two ways: `;`, comments, `$$`, `E''`, `U&""`, a placeholder inside of quotes, and characters that none of ours needs.
 */
export function tokensOf(
  template: string,
): readonly (StatementToken & { readonly start: number; readonly end: number })[] | undefined {
  const tokens: (StatementToken & { start: number; end: number })[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(template);
  };
  while (at < template.length) {
    const space = take(SPACE);
    if (space !== null) {
      at += space[0].length;
      continue;
    }
    const found = next(take);
    if (found === undefined) return undefined;
    tokens.push({ ...found.token, start: at, end: at + found.length });
    at += found.length;
  }
  return isAmbiguous(template, tokens) ? undefined : tokens;
}

function next(
  take: (pattern: RegExp) => RegExpExecArray | null,
): { readonly token: StatementToken; readonly length: number } | undefined {
  const placeholder = take(PLACEHOLDER);
  if (placeholder !== null) {
    const text = PLACEHOLDERS.find((name) => placeholder.slice(1).includes(name));
    return text && { token: { kind: 'placeholder', text }, length: placeholder[0].length };
  }
  const word = take(WORD);
  if (word !== null) {
    return { token: { kind: 'word', text: word[0].toLowerCase() }, length: word[0].length };
  }
  const name = take(QUOTED_NAME);
  if (name !== null && !name[0].includes('{{')) {
    const text = (name[1] ?? '').replaceAll('""', '"');
    return { token: { kind: 'name', text }, length: name[0].length };
  }
  const other = take(TEXT) ?? take(SIGN);
  if (other === null || other[0].includes('{{')) return undefined;
  return { token: { kind: 'other', text: other[0] }, length: other[0].length };
}

/** `--` begins a comment, and a word right before a quote says how the quoted is read. */
function isAmbiguous(
  template: string,
  tokens: readonly (StatementToken & { readonly start: number; readonly end: number })[],
): boolean {
  return tokens.some(({ kind, text, end }, index) => {
    const following = tokens[index + 1];
    if (following?.start !== end) return false;
    if (text === '-' && following.text === '-') return true;
    const quote = template.charAt(following.start);
    return kind === 'word' && (quote === "'" || quote === '"');
  });
}
