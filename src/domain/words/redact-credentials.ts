/** Replaces a credential in a log line or an audit entry. */
const REDACTED = '[sensitive]';

/** A text that matches none of these contains no credential in any spelling below: one pass over the text is enough for nearly all texts. */
const PERHAPS = /%|qm[esow]|ey[AJ]|ew[ok]|hv[sbr]\.|A[KS]IA/;

/**
 * Tokens of the broker (internals/spec/tokens-v1.md), also cut off or with a wrong checksum; JWTs at the start of a word; Vault tokens; AWS access key
 * ids.
 */
const PLAIN =
  /qm[esow]_[0-9A-Za-z]{8,}|(?<![0-9A-Za-z_-])eyJ[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]*){0,4}|hv[sbr]\.[0-9A-Za-z_-]{8,}|(?:AKIA|ASIA)[0-9A-Z]{12,}/g;
/** A token of the broker, after line breaks, blanks, quotes and the like between its characters are removed. */
const OWN_TOKEN = /qm[esow]_[0-9A-Za-z]{49}/g;
const DOTTED_RUN = /[0-9A-Za-z_.-]+/g;
/** Beginning of the header of a JWT in base64url: `{"`, `{ `, or a line break or a tab after the brace. */
const JWT_START = /ey[AJ]|ew[ok]/;
const LEAST_HEADER = 20;
const LEAST_PAYLOAD = 4;
const MOST_PARTS = 5;
/** A proxy may encode a text that the client encoded already. */
const DECODINGS = 3;

/** A text derived from another, with the place of each of its characters there. */
interface View {
  readonly text: string;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

type Range = readonly [start: number, end: number];

/**
 * Removes credentials from a text: clients put tokens into user agents, request ids, comments and paths by mistake, and the audit log keeps its
 * entries for years. Percent-encoded tokens and tokens split by other characters are found too. Takes time linear in the text.
 */
export function redactCredentials(text: string): string {
  return PERHAPS.test(text) ? redactSplit(redactWhole(text)) : text;
}

function redactWhole(text: string): string {
  const plain = plainView(text);
  const decoded = decodedView(plain);
  const ranges = (decoded === plain ? [plain] : [plain, decoded]).flatMap((view) => [
    ...found(view, rangesOf(view.text, PLAIN)),
    ...found(view, jwtRanges(view.text)),
  ]);
  return replaced(text, ranges);
}

/** Removes a token with the characters in between. The rest of a split JWT is removed too, because its end cannot be determined. */
function redactSplit(text: string): string {
  const decoded = decodedView(plainView(text));
  const letters = without(decoded, /[^0-9A-Za-z_]/);
  const dotted = without(decoded, /[^0-9A-Za-z_.-]/);
  return replaced(text, [
    ...found(letters, rangesOf(letters.text, OWN_TOKEN)),
    ...found(dotted, jwtRanges(dotted.text)),
  ]);
}

function plainView(text: string): View {
  const starts = Array.from({ length: text.length }, (_, index) => index);
  return { text, starts, ends: starts.map((start) => start + 1) };
}

/** The text with its percent-encodings resolved, several times; the text itself if it has none. */
function decodedView(view: View): View {
  let decoded = view;
  for (let round = 0; round < DECODINGS && /%[0-9A-Fa-f]{2}/.test(decoded.text); round += 1) {
    decoded = decodedOnce(decoded);
  }
  return decoded;
}

function decodedOnce({ text, starts, ends }: View): View {
  const characters: string[] = [];
  const newStarts: number[] = [];
  const newEnds: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const digits = text[at] === '%' ? text.slice(at + 1, at + 3) : '';
    const isEncoded = /^[0-9A-Fa-f]{2}$/.test(digits);
    characters.push(isEncoded ? String.fromCharCode(Number.parseInt(digits, 16)) : text.charAt(at));
    newStarts.push(starts[at] ?? 0);
    if (isEncoded) at += 2;
    newEnds.push(ends[at] ?? 0);
  }
  return { text: characters.join(''), starts: newStarts, ends: newEnds };
}

/** The characters that `dropped` does not match. */
function without({ text, starts, ends }: View, dropped: RegExp): View {
  const characters = text.split('');
  const places = characters.flatMap((character, at) => (dropped.test(character) ? [] : [at]));
  return {
    text: places.map((at) => characters[at]).join(''),
    starts: places.map((at) => starts[at] ?? 0),
    ends: places.map((at) => ends[at] ?? 0),
  };
}

function rangesOf(text: string, pattern: RegExp): readonly Range[] {
  return [...text.matchAll(pattern)].map(({ 0: match, index }) => [index, index + match.length]);
}

/** JWTs anywhere within a word, read part by part: a single expression would scan `eyJeyJeyJ…` once for each of its starts. */
function jwtRanges(text: string): readonly Range[] {
  return [...text.matchAll(DOTTED_RUN)].flatMap(({ 0: run, index }) => {
    const range = jwtIn(run);
    return range === undefined ? [] : [[index + range[0], index + range[1]] as const];
  });
}

function jwtIn(run: string): Range | undefined {
  const parts = run.split('.');
  let start = 0;
  for (const [index, part] of parts.entries()) {
    const at = part.search(JWT_START);
    const next = parts[index + 1] ?? '';
    if (at >= 0 && part.length - at >= LEAST_HEADER && next.length >= LEAST_PAYLOAD) {
      const length = parts.slice(index, index + MOST_PARTS).join('.').length;
      return [start + at, start + length];
    }
    start += part.length + 1;
  }
  return undefined;
}

/** Ranges of a view as ranges of the text that it was derived from. */
function found({ starts, ends }: View, ranges: readonly Range[]): readonly Range[] {
  return ranges.map(([start, end]) => [starts[start] ?? 0, ends[end - 1] ?? 0]);
}

function replaced(text: string, ranges: readonly Range[]): string {
  let result = '';
  let at = 0;
  for (const [start, end] of ranges.toSorted((left, right) => left[0] - right[0])) {
    if (start >= at) result += text.slice(at, start) + REDACTED;
    at = Math.max(at, end);
  }
  return result + text.slice(at);
}
