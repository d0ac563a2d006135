import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  Lexer,
  LineCounter,
  parseAllDocuments,
  visit,
  type Document,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import { BrokerError, type Problem } from '../../domain/errors.ts';
import { pathOf } from '../../domain/json-pointer.ts';
import { PLAIN_YAML } from '../../domain/plain-yaml.ts';
import { checkValue } from './check-value.ts';
import type { ParsedBody, Position } from './parsed-body.ts';

/** The composer recurses, and a text can nest as deep as it is long, so deep text is refused before composing. */
const DEEPEST_FLOW = 64;
const DEEPEST_INDENT = 256;
/** Composing takes microseconds for each mark, and more if each is wrong: a text of marks alone would delay all other requests. */
const MOST_MARKS = 10_000;
/** Blanks, comments, and the lexer's own marks. */
const UNCOUNTED = /^[\s#\p{Cc}]/u;

/**
 * Parses one document of YAML 1.2 core that JSON could express: no anchors, aliases, tags, merges or keys other than strings.
 * @throws ERR_BODY_INVALID with the position of the fault.
 */
export function parseYaml(text: string): ParsedBody {
  refuseDeep(text);
  refuseCrowded(text);
  const lines = new LineCounter();
  // The library compares each key with each other key, which takes a second for 8,000 keys. `firstRepeated` checks them instead.
  const options = { ...PLAIN_YAML, uniqueKeys: false, lineCounter: lines };
  const documents = withoutStacks(() => parseAllDocuments(text, options));
  const document = 'empty' in documents ? undefined : documents[0];
  if (document === undefined || documents.length !== 1) {
    throw invalid([{ pointer: '', message: 'must be exactly one document' }]);
  }
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  refuseProblems(document, at);
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  checkValue(value);
  return { value, locate: (pointer) => locate(document, pointer, at) };
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

function refuseProblems(document: Document.Parsed, at: (offset: number) => Position): void {
  const problems: Problem[] = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
    pointer: '',
    message: `is not plain YAML: ${code.toLowerCase().replaceAll('_', ' ')}`,
    ...at(pos[0]),
  }));
  visit(document, (_key, node) => {
    if (isPair(node) || !isNode(node)) return;
    const repeated = isMap(node) ? firstRepeated(node) : undefined;
    if (repeated !== undefined) {
      const place = at(repeated.range?.[0] ?? 0);
      problems.push({ pointer: '', message: 'is not plain YAML: duplicate key', ...place });
    }
    const message = oddity(node);
    if (message !== undefined) problems.push({ pointer: '', message, ...at(node.range?.[0] ?? 0) });
  });
  if (problems.length > 0) throw invalid(problems.slice(0, 100));
}

/** The first key that occurs twice in its map. */
function firstRepeated({ items }: YAMLMap): Scalar | undefined {
  const seen = new Set<unknown>();
  for (const { key } of items) {
    if (!isScalar(key)) continue;
    if (seen.has(key.value)) return key;
    seen.add(key.value);
  }
  return undefined;
}

function oddity(node: Node): string | undefined {
  if (isAlias(node)) return 'aliases are not allowed';
  if ('anchor' in node) return 'anchors are not allowed';
  return node.tag === undefined ? undefined : 'tags are not allowed';
}

function refuseDeep(text: string): void {
  let depth = 0;
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1;
    else if (character === ']' || character === '}') depth -= 1;
    if (depth > DEEPEST_FLOW) throw invalid([{ pointer: '', message: 'is nested too deep' }]);
  }
  if (/^ {257}|(?:[-?:] ){65}/m.test(text)) {
    throw invalid([{ pointer: '', message: `is indented by more than ${DEEPEST_INDENT}` }]);
  }
}

/** A double-quoted string counts once for each of its escapes, because each escape can be wrong. */
function refuseCrowded(text: string): void {
  let marks = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (UNCOUNTED.test(lexeme)) continue;
    marks += lexeme.startsWith('"') ? lexeme.split('\\').length : 1;
    if (marks <= MOST_MARKS) continue;
    throw invalid([{ pointer: '', message: `has more than ${MOST_MARKS} keys, values and signs` }]);
  }
}

function locate(
  document: Document.Parsed,
  pointer: string,
  at: (offset: number) => Position,
): Position | undefined {
  const path = pathOf(pointer);
  const node = document.getIn(path, true);
  return isNode(node) && node.range ? at(node.range[0]) : undefined;
}

function invalid(problems: readonly Problem[]): BrokerError {
  return new BrokerError('ERR_BODY_INVALID', 'the body is not plain YAML', {
    reason: 'malformed',
    problems,
  });
}
