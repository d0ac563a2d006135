import { BrokerError } from '../../domain/errors.ts';
import { quoteIdentifier, quoteLiteral } from './quote.ts';

/** Placeholders of a statement; each is a name or a text. */
export const PLACEHOLDERS = ['name', 'password', 'expiration'] as const;
export type Placeholder = (typeof PLACEHOLDERS)[number];

export type StatementToken =
  | { readonly kind: 'placeholder'; readonly text: Placeholder }
  /** Word, folded to lower case as by the server. */
  | { readonly kind: 'word'; readonly text: string }
  | { readonly kind: 'name'; readonly text: string }
  | { readonly kind: 'other'; readonly text: string };

/** Placeholder, also with the quotes that other programs write around a whole placeholder. */
const PLACEHOLDER = /\{\{\s*(\w+)\s*\}\}|"\{\{\s*(\w+)\s*\}\}"|'\{\{\s*(\w+)\s*\}\}'/y;
const SPACE = /\s+/y;
/** Word of plain letters only: the server folds others in ways that this reader does not distinguish. */
const WORD = /[A-Za-z_][A-Za-z0-9_]*/y;
const QUOTED_NAME = /"((?:[^"\0]|"")+)"/y;
/** Text without a backslash, whose meaning depends on a setting. */
const TEXT = /'(?:[^'\\\0]|'')*'/y;
const SIGN = /[0-9.,()=+*<>:-]/y;

/**
 * The tokens of a statement template with their positions. Undefined for anything that could end the statement, hide a part of it or have two
 * readings: `;`, comments, `$$`, `E''`, `U&""`, a placeholder inside quotes, and characters that no template needs.
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

/** `--` begins a comment, and a word right before a quote changes how the quoted text is read. */
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

/** Attributes and rights that no dynamic role may have. */
const GREAT_ATTRIBUTES = ['superuser', 'createrole', 'replication', 'bypassrls'];
const GIVING = ['grant', 'alter role', 'alter user', 'comment on role', 'alter default privileges'];
const TAKING = ['revoke', 'reassign owned', 'drop owned', 'alter role', 'alter user'];

const NOT_PLAIN =
  'must be one plain statement: no semicolon, comment, backslash, dollar quote, E or U& quote, and no placeholder inside other text';

/** The problem of a creation statement, in words for its author; undefined: none. */
export function creationProblem(template: string, isFirst: boolean): string | undefined {
  const tokens = tokensOf(template);
  if (tokens === undefined) return unreadable(template);
  if (isFirst) return creatingProblem(tokens);
  if (has(tokens, 'password')) return 'has {{password}}, which belongs in the first statement';
  return commonProblem(tokens, GIVING);
}

/** Checks a revocation statement in the same way. */
export function revocationProblem(template: string): string | undefined {
  const tokens = tokensOf(template);
  if (tokens === undefined) return unreadable(template);
  if (has(tokens, 'password') || has(tokens, 'expiration')) return 'has {{name}} only';
  return commonProblem(tokens, TAKING);
}

/** Reports whether a statement names the role, quoted or not. */
export function namesRole(template: string, role: string): boolean {
  const tokens = tokensOf(template) ?? [];
  return tokens.some(({ kind, text }) => (kind === 'name' || kind === 'word') && text === role);
}

function unreadable(template: string): string {
  const named = [...template.matchAll(/\{\{\s*(\w+)\s*\}\}/g)].map(([, name]) => name ?? '');
  const unknown = named.find((name) => !PLACEHOLDERS.some((known) => known === name));
  if (unknown === undefined) return NOT_PLAIN;
  return `has no such placeholder as {{${unknown}}}: {{name}}, {{password}} and {{expiration}}`;
}

function creatingProblem(tokens: readonly StatementToken[]): string | undefined {
  const [first, second, third] = tokens.map(({ text }) => text);
  const isCreation = first === 'create' && (second === 'role' || second === 'user');
  const isOfName = third === 'name' && isName(tokens[2]) && tokens.filter(isName).length === 1;
  const mayLogIn = second === 'user' || hasWord(tokens, 'login');
  const parts = [
    { text: 'CREATE ROLE {{name}}', isThere: isCreation && isOfName },
    { text: 'LOGIN', isThere: mayLogIn },
    { text: 'PASSWORD {{password}}', isThere: follows(tokens, 'password', 'password') },
    { text: 'VALID UNTIL {{expiration}}', isThere: follows(tokens, 'until', 'expiration') },
  ];
  const lacking = parts.filter(({ isThere }) => !isThere).map(({ text }) => text);
  if (lacking.length === 0) return greatProblem(tokens);
  const whole = parts.map(({ text }) => text).join(' ');
  return `is ${whole}, and lacks ${lacking.join(', ')}`;
}

function commonProblem(
  tokens: readonly StatementToken[],
  beginnings: readonly string[],
): string | undefined {
  const words = tokens.slice(0, 3).map(({ text }) => text);
  const isKnown = beginnings.some((beginning) =>
    beginning.split(' ').every((word, index) => words[index] === word),
  );
  if (!isKnown) return `begins with one of: ${beginnings.join(', ').toUpperCase()}`;
  if (!tokens.some(isName)) return 'has no {{name}}';
  if (/^(?:alter (?:role|user)|comment on)/.test(words.join(' '))) {
    const place = words[0] === 'comment' ? 3 : 2;
    if (!isName(tokens[place])) return 'is about {{name}} only';
  }
  return greatProblem(tokens);
}

/** The server's own roles can read and write files, run programs and read all data. */
function greatProblem(tokens: readonly StatementToken[]): string | undefined {
  const great = tokens.find(({ kind, text }) => kind === 'word' && GREAT_ATTRIBUTES.includes(text));
  if (great !== undefined) return `gives ${great.text.toUpperCase()}`;
  const begin = tokens[0]?.text;
  const isMembership = begin === 'create' || (begin === 'grant' && !hasWord(tokens, 'on'));
  const own = tokens.find(
    ({ kind, text }) => (kind === 'word' || kind === 'name') && text.startsWith('pg_'),
  );
  return isMembership && own !== undefined ? 'gives a role of the server itself' : undefined;
}

function isName(token: StatementToken | undefined): boolean {
  return token?.kind === 'placeholder' && token.text === 'name';
}

function has(tokens: readonly StatementToken[], placeholder: string): boolean {
  return tokens.some(({ kind, text }) => kind === 'placeholder' && text === placeholder);
}

function hasWord(tokens: readonly StatementToken[], word: string): boolean {
  return tokens.some(({ kind, text }) => kind === 'word' && text === word);
}

/** Requires the placeholder exactly once, right after the keyword that defines it. */
function follows(tokens: readonly StatementToken[], word: string, placeholder: string): boolean {
  const places = tokens.flatMap(({ kind, text }, index) =>
    kind === 'placeholder' && text === placeholder ? [index] : [],
  );
  const before = tokens[(places[0] ?? 0) - 1];
  return places.length === 1 && before?.kind === 'word' && before.text === word;
}

/** The template with its placeholders filled in, each quoted as its kind. @throws ERR_INTERNAL for a template that the rules refuse. */
export function fillStatement(
  template: string,
  values: Readonly<Partial<Record<Placeholder, string>>>,
): string {
  let filled = '';
  let at = 0;
  for (const token of tokensOf(template) ?? unfit()) {
    if (token.kind !== 'placeholder') continue;
    const value = values[token.text] ?? unfit();
    const quoted = token.text === 'name' ? quoteIdentifier(value) : quoteLiteral(value);
    filled += template.slice(at, token.start) + quoted;
    at = token.end;
  }
  return filled + template.slice(at);
}

function unfit(): never {
  throw new BrokerError('ERR_INTERNAL');
}
