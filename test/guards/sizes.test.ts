import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

const FILE_CAP = 400;
/** A table of cases is long without being hard. */
const TEST_FILE_CAP = 450;
/** The contract of the port is one suite, which both databases run completely; the mistakes that people make are one table. */
const LONG_TESTS = ['test/api/mistakes.test.ts', 'test/contract/store.contract.ts'];
const FILE_P95 = 240;
const FILE_MEDIAN = 80;
const FUNCTION_CAP = 60;
const PARAMETERS_CAP = 4;
/** Directives that disable a rule, each with its reason in place; a new one must be reviewed into this list. */
const LIFTED = new Map([
  ['src/providers/vault/client/encode-path.ts', 'no-control-regex'],
  ['src/crypto/log/signed-note.ts', 'no-control-regex'],
]);

const NAMELESS =
  /(?:^|[/-])(?:utils?|helpers?|common|shared|misc|managers?|services?|handlers?)(?:[./-]|$)/;

const GENERATED = 'src/client/generated/';
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
      const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
      const last = file.getLineAndCharacterOfPosition(node.getEnd()).line;
      for (let line = first; line <= last; line += 1) lines.add(line);
    }
  };
  visit(file);
  return lines;
}

/** How many of a file's lines of code are in a part of it. */
function linesIn(node: ts.Node, file: ts.SourceFile, lines: ReadonlySet<number>): number {
  const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
  const last = file.getLineAndCharacterOfPosition(node.getEnd()).line;
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

function at(quantile: number, values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(quantile * (values.length - 1))]!;
}

describe('the program', () => {
  const files = sources.map(parsed);
  const lines = files.map(codeLines);
  const lengths = lines.map(({ size }) => size);

  it('has only small files', () => {
    const long = files.filter((_, index) => lengths[index]! > FILE_CAP);
    expect(long.map(({ fileName }) => fileName)).toEqual([]);
    expect(at(0.95, lengths)).toBeLessThanOrEqual(FILE_P95);
    expect(at(0.5, lengths)).toBeLessThanOrEqual(FILE_MEDIAN);
  });

  it('has only small functions', () => {
    const long = files.flatMap((file, index) =>
      functionsOf(file)
        .filter(
          (node) =>
            linesIn(node, file, lines[index]!) > FUNCTION_CAP ||
            node.parameters.length > PARAMETERS_CAP,
        )
        .map((node) => `${file.fileName}: ${node.name?.getText(file) ?? 'a function'}`),
    );
    expect(long).toEqual([]);
  });

  it('disables only reviewed rules of the linter and the compiler', () => {
    const lifting = sources.flatMap((path) =>
      [
        ...textOf(path).matchAll(
          /eslint-disable\S* ([\w@/-]+)|@ts-(?:ignore|expect-error|nocheck)/g,
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
    const long = candidates.filter((path) => codeLines(parsed(path)).size > TEST_FILE_CAP);
    expect(long).toEqual(LONG_TESTS);
  });
});
