import { endOfString } from './json-bounds.ts';

const QUOTE = 0x22;
const COLON = 0x3a;
const OPEN = new Set(['{', '['].map((bracket) => bracket.charCodeAt(0)));
const CLOSE = new Set(['}', ']'].map((bracket) => bracket.charCodeAt(0)));
const BEFORE_COLON = /\s*:/y;

/**
 * Reports whether an object of a JSON text names a member twice: parsers disagree about which one counts (RFC 8259 §4). `value` is what `JSON.parse` made
 * of the text. Each member of the text has one colon outside of strings, and `value` keeps one of the members with the same name. V8 13.6 reads the
 * name `"\""` as `"\\"` where it expects that one. So it may keep both members with the same name, and names with escapes are compared one by one; or it
 * loses a member, and the object is refused.
 */
export function hasDuplicateNames(text: string, value: unknown): boolean {
  return countColons(text) !== countMembers(value) || (text.includes('\\') && repeatsName(text));
}

function countColons(text: string): number {
  let colons = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === QUOTE) at = endOfString(text, at);
    else if (character === COLON) colons += 1;
  }
  return colons;
}

/** Counts the members of all objects. It recurses, so the caller bounds the depth. */
function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  let members = Array.isArray(value) ? 0 : items.length;
  for (const item of items) members += countMembers(item);
  return members;
}

function repeatsName(text: string): boolean {
  /** The names of each open object; an array has none. */
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (OPEN.has(character)) open.push(new Set());
    else if (CLOSE.has(character)) open.pop();
    if (character !== QUOTE) continue;
    const end = endOfString(text, at);
    const name = nameAt(text, at, end);
    at = end;
    if (name === undefined) continue;
    const names = open.at(-1);
    if (names?.has(name) === true) return true;
    names?.add(name);
  }
  return false;
}

/** The string as the name of a member; undefined if no colon follows it. */
function nameAt(text: string, start: number, end: number): string | undefined {
  BEFORE_COLON.lastIndex = end + 1;
  return BEFORE_COLON.test(text) ? (JSON.parse(text.slice(start, end + 1)) as string) : undefined;
}
