export type JsonObject = Readonly<Record<string, unknown>>;

/** Makes the caller's error from the problem found in the text. */
export type StrictJsonRefusal = (reason: 'malformed' | 'duplicate_claim') => Error;

/** A Kubernetes token nests three deep, a proof two; deeper text overflows recursive readers later (RFC 8259 §9 allows a limit). */
const DEEPEST = 16;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A JSON object in which no object, at any depth, names a member twice: parsers disagree which one counts (RFC 7519 §4).
 * @throws what `refused` makes of `malformed`, `duplicate_claim`.
 */
export function parseStrictObject(bytes: Uint8Array, refused: StrictJsonRefusal): JsonObject {
  const parsed = parse(bytes);
  const value = parsed?.value;
  if (parsed === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refused('malformed');
  }
  refuseDuplicates(parsed.text, refused);
  return value as JsonObject;
}

function parse(bytes: Uint8Array): { readonly text: string; readonly value: unknown } | undefined {
  try {
    const text = decoder.decode(bytes);
    return { text, value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/** Walks text that `JSON.parse` accepted, so only strings and brackets need be told apart. */
function refuseDuplicates(text: string, refused: StrictJsonRefusal): void {
  const open: (Set<string> | undefined)[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charCodeAt(at);
    if (character === OPEN_OBJECT) open.push(new Set());
    else if (character === OPEN_ARRAY) open.push(undefined);
    else if (character === CLOSE_OBJECT || character === CLOSE_ARRAY) open.pop();
    else if (character === QUOTE) {
      const end = endOfString(text, at);
      if (isFollowedByColon(text, end) && !isNew(open.at(-1), text.slice(at, end + 1))) {
        throw refused('duplicate_claim');
      }
      at = end;
    }
    if (open.length > DEEPEST) throw refused('malformed');
  }
}

/** In valid JSON a string is a member's name exactly when a colon follows it. */
function isFollowedByColon(text: string, end: number): boolean {
  let at = end + 1;
  while (text.charCodeAt(at) <= 0x20) at += 1;
  return text.charCodeAt(at) === COLON;
}

/** Where the string that begins at `start` closes: the first quote behind an even number of backslashes. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, at: number): boolean {
  let before = at - 1;
  while (text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - before) % 2 === 0;
}

/** `"s\u0075b"` and `"sub"` are one name. */
function isNew(names: Set<string> | undefined, literal: string): boolean {
  const name = literal.includes('\\') ? (JSON.parse(literal) as string) : literal.slice(1, -1);
  if (names === undefined || names.has(name)) return false;
  names.add(name);
  return true;
}
