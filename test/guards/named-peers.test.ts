import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

/** Folders and files whose lines of the log are about a cluster or a connection. */
const ROOMS =
  /^src\/(?:auth|broker\/(?:credentials|leases|secrets)|features\/custom-resources|program\/clusters|rotation|delivery\/injector|providers)\/|^src\/broker\/sessions\/pod-endings\.ts/;
const LEVELS = ['info', 'warn', 'error'];
const NAMES = ['cluster', 'connection'];

/** Lines that name neither, by file, each with the reason. */
const UNNAMED: Readonly<Record<string, string>> = {
  'src/broker/credentials/issue-credential.ts: an order that failed waits for recovery':
    'the store failed, not the backend; the id leads to the row',
  'src/rotation/rotation-worker.ts: a round of the rotation worker failed; the next round retries':
    'the store failed',
  'src/rotation/start-due.ts: a due rotation cannot start; it is retried in five minutes':
    'the definition of the path may lead to no connection',
  'src/program/clusters/cluster-registry.ts: sessions could not be compared with the clusters':
    'the store failed, at the start, for all clusters',
  'src/program/clusters/saved-pods.ts: the pods with sessions cannot be saved; retrying in a minute':
    'the store or the disk failed, for all clusters',
};

interface Line {
  readonly at: string;
  readonly isNamed: boolean;
}

/** The lines of the log that a file writes. A line is named by its fields, or by a log that the types show to be of one cluster. */
function linesOf(path: string): readonly Line[] {
  const source = ts.createSourceFile(path, textOf(path), ts.ScriptTarget.ES2024, true);
  const literals = new Map<string, ts.ObjectLiteralExpression>();
  const constants = new Set<string>();
  const members = new Set<string>();
  const lines: Line[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined) {
      const { name, initializer } = node;
      if (ts.isObjectLiteralExpression(initializer)) literals.set(name.getText(), initializer);
      if (/^(?:clusterLog|this\.#logOf)\(/.test(initializer.getText()))
        constants.add(name.getText());
    }
    if (isTyped(node)) members.add(node.name.getText());
    if (ts.isCallExpression(node)) {
      const line = lineOf(node);
      if (line !== undefined) lines.push(line);
    }
    ts.forEachChild(node, visit);
  };
  const lineOf = ({ expression, arguments: given }: ts.CallExpression): Line | undefined => {
    if (!ts.isPropertyAccessExpression(expression) || !LEVELS.includes(expression.name.text))
      return undefined;
    const receiver = expression.expression.getText();
    const [fields, message] = given;
    if (!/\blog$/i.test(receiver) || fields === undefined || message === undefined)
      return undefined;
    const literal = ts.isObjectLiteralExpression(fields) ? fields : literals.get(fields.getText());
    const own = literal?.properties.some((each) => NAMES.includes(each.name?.getText() ?? ''));
    const last = receiver.split('.').at(-1) ?? '';
    const isNamed = own === true || constants.has(receiver) || members.has(last) || isOfAuth(path);
    const text = ts.isStringLiteral(message) ? message.text : message.getText();
    return { at: `${path}: ${text}`, isNamed };
  };
  visit(source);
  return lines;
}

/** A parameter, member or property with the type of a log of one cluster. */
function isTyped(node: ts.Node): node is ts.ParameterDeclaration {
  const isOne =
    ts.isParameter(node) || ts.isPropertySignature(node) || ts.isPropertyDeclaration(node);
  return isOne && node.type?.getText() === 'ClusterLog';
}

/** Parts of `auth` know one log, and its type is that of a cluster. */
function isOfAuth(path: string): boolean {
  return path.startsWith('src/auth/') && !/import .*\bLog\b.*ports\/log/.test(textOf(path));
}

const files = trackedFiles().filter((path) => ROOMS.test(path) && path.endsWith('.ts'));
const lines = files.flatMap(linesOf);

describe('a line of the log about a cluster or a connection', () => {
  it('names it, or is on the list of those that cannot', () => {
    expect(lines.length).toBeGreaterThan(20);
    const unnamed = lines.filter(({ isNamed }) => !isNamed).map(({ at }) => at);
    expect(unnamed.sort()).toEqual(Object.keys(UNNAMED).sort());
  });

  it('names it in every part of auth, because the only log there is that of a cluster', () => {
    expect(textOf('src/auth/auth-log.ts')).toContain('export type AuthLog = ClusterLog;');
  });
});
