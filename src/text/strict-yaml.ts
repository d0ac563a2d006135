import type { Document, LineCounter, Node } from 'yaml';
import { pathOf } from '../domain/json-pointer.ts';
import { PLAIN_YAML } from '../domain/plain-yaml.ts';
import type { FileProblem } from '../cli/errors.ts';

/** One document of a file, with the position of each of its values. */
export interface LocatedDocument {
  readonly file: string;
  readonly value: unknown;
  /** The position of the value at a JSON pointer, or of the nearest enclosing value that exists. */
  readonly locate: (pointer: string) => Place;
}

interface Place {
  readonly line: number;
  readonly column: number;
}

interface LocatedFile {
  readonly documents: readonly LocatedDocument[];
  readonly problems: readonly FileProblem[];
}

/**
 * Reads YAML 1.2 with the data model of JSON, several documents to a file. Like the broker, it refuses anchors, aliases, tags and merges, so that
 * the text under review is the text that takes effect.
 */
export async function parseLocated(file: string, text: string): Promise<LocatedFile> {
  const { LineCounter, parseAllDocuments } = await import('yaml');
  const lines = new LineCounter();
  const parsed = parseAllDocuments(text, { ...PLAIN_YAML, lineCounter: lines });
  const all: readonly Document.Parsed[] = 'empty' in parsed ? [] : parsed;
  const found = await Promise.all(all.map(problemsOf));
  const problems = found
    .flat()
    .map(({ message, offset }) => ({ file, message, ...place(lines, offset) }));
  if (problems.length > 0) return { documents: [], problems };
  const documents = all
    .filter(({ contents }) => contents !== null)
    .map((document) => located(file, document, lines));
  return { documents, problems };
}

interface Problem {
  readonly message: string;
  readonly offset: number;
}

async function problemsOf(document: Document.Parsed): Promise<readonly Problem[]> {
  const { isAlias, isNode, isPair, visit } = await import('yaml');
  const found: Problem[] = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
    message: `is not plain YAML: ${code.toLowerCase().replaceAll('_', ' ')}`,
    offset: pos[0],
  }));
  visit(document, (_key, node) => {
    if (isPair(node) || !isNode(node)) return;
    if (isAlias(node) || 'anchor' in node || node.tag !== undefined) {
      const message =
        'anchors, aliases and tags are not allowed; put quotes around a text that begins with &, * or !';
      found.push({ message, offset: node.range?.[0] ?? 0 });
    }
  });
  return found;
}

function located(file: string, document: Document.Parsed, lines: LineCounter): LocatedDocument {
  return {
    file,
    value: document.toJS({ maxAliasCount: 0 }) as unknown,
    locate: (pointer) => {
      const path = pathOf(pointer);
      for (; path.length > 0; path.pop()) {
        const node = document.getIn(path, true) as Node | undefined;
        if (node?.range) return place(lines, node.range[0]);
      }
      return place(lines, document.contents?.range[0] ?? 0);
    },
  };
}

function place(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}
