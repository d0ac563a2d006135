import { PLACEHOLDERS, tokensOf, type StatementToken } from './statement-tokens.ts';

/** What no credential to order may be. */
const GREAT_ATTRIBUTES = ['superuser', 'createrole', 'replication', 'bypassrls'];
const GIVING = ['grant', 'alter role', 'alter user', 'comment on role', 'alter default privileges'];
const TAKING = ['revoke', 'reassign owned', 'drop owned', 'alter role', 'alter user'];

const NOT_PLAIN =
  'is one plain statement: no semicolon, comment, backslash, dollar quote, E or U& quote, and no placeholder inside of other text';

/** What is wrong with a statement that makes a role, in words for who wrote it. */
export function creationProblem(template: string, isFirst: boolean): string | undefined {
  const tokens = tokensOf(template);
  if (tokens === undefined) return unreadable(template);
  if (isFirst) return creatingProblem(tokens);
  if (has(tokens, 'password')) return 'has {{password}}, which belongs into the first statement';
  return commonProblem(tokens, GIVING);
}

/** The same for one that takes back. */
export function revocationProblem(template: string): string | undefined {
  const tokens = tokensOf(template);
  if (tokens === undefined) return unreadable(template);
  if (has(tokens, 'password') || has(tokens, 'expiration')) return 'has {{name}} only';
  return commonProblem(tokens, TAKING);
}

/** Whether a statement speaks of the role, quoted or not. */
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

/** The server's own roles read and write files, run programs, and see everything. */
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

/** Exactly once, right behind the word that says what it is. */
function follows(tokens: readonly StatementToken[], word: string, placeholder: string): boolean {
  const places = tokens.flatMap(({ kind, text }, index) =>
    kind === 'placeholder' && text === placeholder ? [index] : [],
  );
  const before = tokens[(places[0] ?? 0) - 1];
  return places.length === 1 && before?.kind === 'word' && before.text === word;
}
