import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

const FILE_CAP = 400;
const TEST_FILE_CAP = 450;
const FILE_P95 = 200;
const FILE_MEDIAN = 65;
const FUNCTION_CAP = 80;
const PARAMETERS_CAP = 4;
/** Directives that disable a rule, each with its reason in place; a new one must be reviewed into this list. */
const LIFTED = new Map([
  ['src/providers/vault/client/encode-path.ts', 'no-control-regex'],
  ['src/crypto/log/signed-note.ts', 'no-control-regex'],
]);

const NAMELESS =
  /(?:^|[/-])(?:utils?|helpers?|common|shared|misc|managers?|services?|handlers?)(?:[./-]|$)/;

const GENERATED = 'src/ports/openapi/';
const sources = trackedFiles().filter(
  (path) => /^src\/.*\.ts$/.test(path) && !path.startsWith(GENERATED),
);
const others = trackedFiles().filter((path) => /^(?:test|bench|scripts)\/.*\.ts$/.test(path));

function parsed(path: string): ts.SourceFile {
  return ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2024, true);
}

/** Lines that hold a token: neither blank nor only a comment. */
function codeLines(file: ts.SourceFile): ReadonlySet<number> {
  const lines = new Set<number>();
  const visit = (node: ts.Node): void => {
    const children = node.getChildren(file);
    if (children.length > 0) {
      for (const child of children) if (!ts.isJSDoc(child)) visit(child);
    } else if (node.getWidth(file) > 0) {
      const [first, last] = span(node, file);
      for (let line = first; line <= last; line += 1) lines.add(line);
    }
  };
  visit(file);
  return lines;
}

/**
 * Lines of code outside object and array literals. A literal or a table of rows is long without being hard, so only
 * its first line counts, and the functions with statements that stand in it.
 */
function countedLines(file: ts.SourceFile): ReadonlySet<number> {
  const lines = new Set(codeLines(file));
  const code = new Set(lines);
  const visit = (node: ts.Node): void => {
    const [first, last] = span(node, file);
    if (ts.isObjectLiteralExpression(node) || ts.isArrayLiteralExpression(node)) {
      for (let line = first + 1; line <= last; line += 1) lines.delete(line);
    } else if (hasStatements(node)) {
      for (let line = first; line <= last; line += 1) if (code.has(line)) lines.add(line);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return lines;
}

function hasStatements(node: ts.Node): boolean {
  const body = ts.isFunctionLike(node) && 'body' in node ? node.body : undefined;
  // An abstract method has no body.
  return body !== undefined && ts.isBlock(body);
}

/** Numbers of the first and the last line of a node. */
function span(node: ts.Node, file: ts.SourceFile): readonly [number, number] {
  return [
    file.getLineAndCharacterOfPosition(node.getStart(file)).line,
    file.getLineAndCharacterOfPosition(node.getEnd()).line,
  ];
}

/** Number of the given lines that are in a part of the file. */
function linesIn(node: ts.Node, file: ts.SourceFile, lines: ReadonlySet<number>): number {
  const [first, last] = span(node, file);
  return [...lines].filter((line) => line >= first && line <= last).length;
}

function functionsOf(file: ts.SourceFile): readonly ts.FunctionLikeDeclaration[] {
  const found: ts.FunctionLikeDeclaration[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && 'body' in node && node.body !== undefined) {
      found.push(node);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return found;
}

interface Measured {
  readonly path: string;
  readonly length: number;
  readonly longFunctions: readonly string[];
}

/** Measures one file. All syntax trees at once would make the worker so large that it is replaced. */
function measured(path: string): Measured {
  const file = parsed(path);
  const lines = countedLines(file);
  const long = functionsOf(file).filter(
    (node) => linesIn(node, file, lines) > FUNCTION_CAP || node.parameters.length > PARAMETERS_CAP,
  );
  const longFunctions = long.map((node) => `${path}: ${node.name?.getText(file) ?? 'a function'}`);
  return { path, length: lines.size, longFunctions };
}

function at(quantile: number, values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(quantile * (values.length - 1))]!;
}

describe('the program', () => {
  const files = sources.map(measured);
  const lengths = files.map(({ length }) => length);

  it('has only small files', () => {
    const long = files.filter(({ length }) => length > FILE_CAP);
    expect(long.map(({ path }) => path)).toEqual([]);
    expect(at(0.95, lengths)).toBeLessThanOrEqual(FILE_P95);
    expect(at(0.5, lengths)).toBeLessThanOrEqual(FILE_MEDIAN);
  });

  it('has only small functions', () => {
    expect(files.flatMap(({ longFunctions }) => longFunctions)).toEqual([]);
  });

  it('disables only reviewed rules of the linter and the compiler', () => {
    const lifting = sources.flatMap((path) =>
      [
        ...textOf(path).matchAll(
          /(?:ox|es)lint-disable\S* ([\w@/-]+)|@ts-(?:ignore|expect-error|nocheck)/g,
        ),
      ]
        .filter(([, rule]) => LIFTED.get(path) !== rule)
        .map(([directive]) => `${path}: ${directive}`),
    );
    expect(lifting).toEqual([]);
  });

  it('has no folder or file with an empty name such as "helper" or "manager"', () => {
    // A product's own name is a noun.
    const named = sources.map((path) => path.replaceAll('secrets-manager', 'aws'));
    expect(named.filter((path) => NAMELESS.test(path))).toEqual([]);
  });
});

describe('tests and benchmarks', () => {
  it('have only files that can be read in one go', () => {
    // Only a file with more lines of any kind is read token by token.
    const candidates = others.filter((path) => textOf(path).split('\n').length > TEST_FILE_CAP);
    const long = candidates.filter((path) => countedLines(parsed(path)).size > TEST_FILE_CAP);
    expect(long).toEqual([]);
  });
});
