import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';
import { textOf } from '../kit/pages/tracked-files.ts';

const FOLDER = 'src/domain/policy';
/** Other names of a fact: at the command line, and of the instant for which a question is decided. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  podLabels: ['--label'],
  sourceAddress: ['--source-address'],
  time: ['now', 'at'],
};

interface Place {
  readonly path: string;
  readonly contains: 'condition' | 'fact' | 'both';
}

/** The rows of the list in CONTRIBUTING.md, one for each file. */
function places(): readonly Place[] {
  const [, section = ''] = textOf('CONTRIBUTING.md').split('### A condition of a policy rule\n');
  const [table = ''] = section.split('\n## ');
  return [...table.matchAll(/^\| (`.+?) \| (condition|fact|both) \|/gm)].flatMap(
    ([, files = '', contains]) =>
      [...files.matchAll(/`([^`]+)`/g)].map(([, file = '']) => ({
        path: file.includes('/') || file === 'openapi.yaml' ? file : `${FOLDER}/${file}`,
        contains: contains as Place['contains'],
      })),
  );
}

/** Members of an interface, or words of a union of texts. */
function namesOf(file: string, type: string): readonly string[] {
  const source = ts.createSourceFile(file, textOf(`${FOLDER}/${file}`), ts.ScriptTarget.ES2024);
  return source.statements.flatMap((node) => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === type) {
      return node.members.map(({ name }) => (name as ts.Identifier).text);
    }
    if (ts.isTypeAliasDeclaration(node) && node.name.text === type && ts.isUnionTypeNode(node.type))
      return node.type.types.map(
        (each) => ((each as ts.LiteralTypeNode).literal as ts.StringLiteral).text,
      );
    return [];
  });
}

/** Files of the list that do not contain the name, as a word. */
function filesWithout(name: string, kind: 'condition' | 'fact'): readonly string[] {
  const spellings = [name, ...(kind === 'fact' ? (SPELLINGS[name] ?? []) : [])];
  const word = new RegExp(spellings.map((each) => `(?<![\\w-])${each}\\b`).join('|'));
  return places()
    .filter(({ contains }) => contains === kind || contains === 'both')
    .filter(({ path }) => !word.test(textOf(path)))
    .map(({ path }) => path);
}

describe('the list of CONTRIBUTING.md for a condition of a policy rule', () => {
  const conditions = namesOf('access-policy.ts', 'PolicyConditions');
  const facts = namesOf('request-facts.ts', 'RuleFact');

  it('names files that exist', () => {
    expect(places().length).toBeGreaterThan(20);
    expect(conditions).toContain('sealedDelivery');
    expect(facts).toContain('sealed');
  });

  it.each(conditions)('has only files that contain the condition %s', (name) => {
    expect(filesWithout(name, 'condition')).toEqual([]);
  });

  it.each(facts)('has only files that contain the fact %s', (name) => {
    expect(filesWithout(name, 'fact')).toEqual([]);
  });
});
