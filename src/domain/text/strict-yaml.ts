import { pathOf } from '../words/json-pointer.ts';
import { Lines, type Position } from './strict-json.ts';
import { YamlComposer } from './yaml-composer.ts';
import { offsetAt, placeOf, type ParsedText, type Yaml } from './yaml-places.ts';
import { DEEPEST, syntaxFault, type YamlFault } from './yaml-problems.ts';

export interface YamlRules {
  /** Allows anchors, aliases and tags: for files of settings, which only the operator of the reader writes. */
  readonly allowAliases?: boolean;
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

const MOST_PROBLEMS = 100;

/**
 * Reads YAML 1.2 with the data model of JSON. Keys occur once. Without `allowAliases` it refuses anchors, aliases, tags and merges, so that the
 * text under review is the text that takes effect. The library is loaded here, because an agent without a file of settings needs none (8 ms of its start).
 */
export async function readYaml(
  text: string,
  { allowAliases = false }: YamlRules = {},
): Promise<YamlText> {
  // A plain object: the bundle reads each member of a module through a getter, which took a third of the time.
  const yaml = { ...(await import('js-yaml')) };
  const lines = new Lines(text);
  const parsed = parse(text, yaml);
  if ('fault' in parsed) return refused([parsed.fault], lines);
  const composer = new YamlComposer(yaml, text, parsed.events, allowAliases);
  const documents: YamlDocument[] = [];
  for (const [index, { type }] of parsed.events.entries()) {
    if (type !== yaml.EVENT_ID.DOCUMENT) continue;
    const value = composer.document(index);
    const root = parsed.events[index + 1];
    const isEmpty = root?.type === yaml.EVENT_ID.SCALAR && root.valueStart === -1;
    if (!isEmpty) documents.push(documentOf(parsed, index + 1, value, lines));
  }
  return composer.faults.length > 0 ? refused(composer.faults, lines) : { documents, problems: [] };
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

/** A problem as one line of text: `line 3 is not valid YAML: duplicate key`. */
export function yamlProblemText({ line, message }: YamlProblem): string {
  return line === undefined ? message : `line ${line} ${message}`;
}

/** The parser stops at the first fault. Its time is linear in the text: at most 0.5 µs a character, whatever it is made of. */
function parse(text: string, yaml: Yaml): ParsedText | { readonly fault: YamlFault } {
  try {
    return { yaml, text, events: yaml.parseEvents(text, { maxDepth: DEEPEST }) };
  } catch (error) {
    if (!(error instanceof yaml.YAMLException)) throw error;
    return { fault: syntaxFault(error.reason, error.mark?.position ?? 0) };
  }
}

function refused(faults: readonly YamlFault[], lines: Lines): YamlText {
  const problems = faults
    .slice(0, MOST_PROBLEMS)
    .map(({ message, offset }) => ({ message, ...lines.positionAt(offset) }));
  return { documents: [], problems };
}

function documentOf(parsed: ParsedText, root: number, value: unknown, lines: Lines): YamlDocument {
  const positionOf = (at: number): Position =>
    lines.positionAt(offsetAt(parsed.events, at, parsed.yaml));
  return {
    value,
    locate: (pointer) => {
      const place = placeOf(parsed, root, pathOf(pointer));
      return place && positionOf(place.at);
    },
    locateKey: (pointer) => {
      const key = placeOf(parsed, root, pathOf(pointer))?.key;
      return key === undefined ? undefined : positionOf(key);
    },
  };
}
