import type * as yamlModule from 'yaml';
import type { Document, LineCounter, Node, Scalar, YAMLMap } from 'yaml';
import { pathOf } from '../domain/json-pointer.ts';
import type { Position } from './strict-json.ts';

type Yaml = typeof yamlModule;

export interface YamlRules {
  /** Allows anchors, aliases and tags: for files of settings, which only the operator of the reader writes. */
  readonly allowAliases?: boolean;
  /** The text comes from a caller, so the work that it can cause is bounded. */
  readonly bounded?: boolean;
}

export interface YamlDocument {
  readonly value: unknown;
  /** The position of the value at a JSON pointer; undefined if there is none. */
  locate(pointer: string): Position | undefined;
  /** The position of the key of that value; undefined if it has none. */
  locateKey(pointer: string): Position | undefined;
}

/** The message never quotes the text, which may be a secret in the wrong place. */
export interface YamlProblem extends Partial<Position> {
  readonly message: string;
}

export interface YamlText {
  /** Empty if there are problems. */
  readonly documents: readonly YamlDocument[];
  readonly problems: readonly YamlProblem[];
}

/** Options of the library: YAML 1.2 with the core schema, which can express what JSON can. */
const OPTIONS = {
  version: '1.2',
  schema: 'core',
  merge: false,
  stringKeys: true,
  // The library compares each key with each other key, which takes a second for 8,000 keys. `firstRepeated` checks them instead.
  uniqueKeys: false,
  prettyErrors: false,
  logLevel: 'silent',
} as const;
const MOST_PROBLEMS = 100;
/** The library's own default: how much aliases may expand. */
const MOST_ALIASES = 100;
/** The composer recurses, and a text can nest as deep as it is long, so deep text is refused before composing. */
const DEEPEST_FLOW = 64;
const DEEPEST_INDENT = 256;
/** Composing takes microseconds for each mark, and more if each is wrong: a text of marks alone would delay all other requests. */
const MOST_MARKS = 10_000;
/** Blanks, comments, and the lexer's own marks. */
const UNCOUNTED = /^[\s#\p{Cc}]/u;
const NO_ALIASES =
  'anchors, aliases and tags are not allowed; put quotes around a text that begins with &, * or !';
/** YAML reads `[*]` as an alias: the most common mistake in a list of patterns. */
const NO_ALIAS =
  "is not valid YAML: put quotes around a text that begins with * or &, for example '*'";
/** The message for a code of the library; other codes are their own words. */
const MESSAGES: Partial<Readonly<Record<string, string>>> = {
  BAD_ALIAS: NO_ALIAS,
  BAD_INDENT: 'is not valid YAML: bad indent, or a [ or { before this place is not closed',
  MISSING_CHAR: 'is not valid YAML: a quote, a bracket or a comma before this place is missing',
};

/**
 * Reads YAML 1.2 with the data model of JSON. Keys occur once. Without `allowAliases` it refuses anchors, aliases, tags and merges, so that the
 * text under review is the text that takes effect. The library is loaded here, because an agent without a file of settings needs none (8 ms of its start).
 */
export async function readYaml(text: string, rules: YamlRules = {}): Promise<YamlText> {
  const yaml = await import('yaml');
  const excess = rules.bounded === true ? excessOf(text, yaml) : undefined;
  if (excess !== undefined) return { documents: [], problems: [{ message: excess }] };
  const lines = new yaml.LineCounter();
  const parsed = withoutStacks(() =>
    yaml.parseAllDocuments(text, { ...OPTIONS, lineCounter: lines }),
  );
  const all: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed;
  const problems = all
    .flatMap((document) => problemsOf(document, rules, yaml))
    .slice(0, MOST_PROBLEMS)
    .map(({ message, offset }) => ({ message, ...positionOf(lines, offset) }));
  if (problems.length > 0) return { documents: [], problems };
  try {
    const filled = all.filter(({ contents }) => contents !== null);
    return { documents: filled.map((each) => documentOf(each, lines, yaml)), problems: [] };
  } catch {
    return { documents: [], problems: [{ message: 'is not valid YAML: too many aliases' }] };
  }
}

/** The only document of a text. An empty text is null. */
export async function readOneYaml(
  text: string,
  rules: YamlRules = {},
): Promise<YamlDocument | Pick<YamlText, 'problems'>> {
  const { documents, problems } = await readYaml(text, rules);
  if (problems.length > 0) return { problems };
  if (documents.length > 1) return { problems: [{ message: 'must be exactly one document' }] };
  return documents[0] ?? { value: null, locate: () => undefined, locateKey: () => undefined };
}

/** A problem for a line of text: `line 3 is not valid YAML: duplicate key`. */
export function yamlProblemText({ line, message }: YamlProblem): string {
  return line === undefined ? message : `line ${line} ${message}`;
}

interface Found {
  readonly message: string;
  readonly offset: number;
}

function problemsOf(
  document: Document.Parsed,
  { allowAliases = false }: YamlRules,
  { visit, isPair, isNode, isMap, isScalar, isAlias }: Yaml,
): readonly Found[] {
  const found: Found[] = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
    message: MESSAGES[code] ?? `is not valid YAML: ${code.toLowerCase().replaceAll('_', ' ')}`,
    offset: pos[0],
  }));
  const reported = new Set(found.map(({ offset }) => offset));
  visit(document, (_key, node) => {
    if (isPair(node) || !isNode(node)) return;
    const repeated = isMap(node) ? firstRepeated(node, isScalar) : undefined;
    if (repeated !== undefined) {
      found.push({ message: 'is not valid YAML: duplicate key', offset: startOf(repeated) });
    }
    const offset = startOf(node);
    if (reported.has(offset)) return;
    if (!allowAliases && (isAlias(node) || 'anchor' in node || node.tag !== undefined)) {
      found.push({ message: NO_ALIASES, offset });
    } else if (isAlias(node) && node.resolve(document) === undefined) {
      found.push({ message: NO_ALIAS, offset });
    }
  });
  return found;
}

function startOf({ range }: Node): number {
  return range?.[0] ?? 0;
}

/** The first key that occurs twice in its map. */
function firstRepeated({ items }: YAMLMap, isScalar: Yaml['isScalar']): Scalar | undefined {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    if (seen.has(key.value)) return key;
    seen.add(key.value);
  }
  return undefined;
}

function documentOf(
  document: Document.Parsed,
  lines: LineCounter,
  { isNode, isMap, isScalar }: Yaml,
): YamlDocument {
  return {
    value: document.toJS({ maxAliasCount: MOST_ALIASES }) as unknown,
    locate: (pointer) => {
      const node = document.getIn(pathOf(pointer), true) as Node | undefined;
      return isNode(node) && node.range ? positionOf(lines, node.range[0]) : undefined;
    },
    locateKey: (pointer) => {
      const path = pathOf(pointer);
      const map = document.getIn(path.slice(0, -1), true);
      const keys = isMap(map) ? map.items.map(({ key }) => key).filter(isScalar) : [];
      const key = keys.find(({ value }) => value === path.at(-1));
      return key && positionOf(lines, startOf(key));
    },
  };
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

/** The library makes an error for each fault. A stack trace that no code reads costs ten times as much as finding the fault. */
function withoutStacks<T>(work: () => T): T {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return work();
  } finally {
    Error.stackTraceLimit = limit;
  }
}

/** The bound that a text exceeds. */
function excessOf(text: string, { Lexer }: Yaml): string | undefined {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > DEEPEST_FLOW) return 'is nested too deep';
  }
  if (/^ {257}|(?:[-?:] ){65}/m.test(text)) return `is indented by more than ${DEEPEST_INDENT}`;
  let marks = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (UNCOUNTED.test(lexeme)) continue;
    // A double-quoted string counts once for each of its escapes, because each escape can be wrong.
    marks += lexeme.startsWith('"') ? lexeme.split('\\').length : 1;
    if (marks > MOST_MARKS) return `has more than ${MOST_MARKS} keys, values and signs`;
  }
  return undefined;
}
