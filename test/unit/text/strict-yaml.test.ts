import { describe, expect, it } from '@jest/globals';
import { readOneYaml, readYaml, yamlProblemText } from '../../../src/text/strict-yaml.ts';

describe('readYaml', () => {
  it('returns each document of a text with the positions of its values', async () => {
    const { documents } = await readYaml('a: 1\n---\nb:\n  - c/d: x\n');
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { b: [{ 'c/d': 'x' }] }]);
    expect(documents[1]?.locate('/b/0/c~1d')).toEqual({ line: 4, column: 10 });
    expect(documents[1]?.locate('/b/1')).toBeUndefined();
    expect(documents[1]?.locateKey('/b/0/c~1d')).toEqual({ line: 4, column: 5 });
    expect(documents[1]?.locateKey('/b/0')).toBeUndefined();
  });

  it.each([
    ['a: &x 1\n', 'anchors, aliases and tags are not allowed'],
    ['a: !!str 1\n', 'anchors, aliases and tags are not allowed'],
    ['a: 1\na: 2\n', 'duplicate key'],
    ['? [a]\n: b\n', 'non string key'],
    ['a: [\n', 'is not valid YAML'],
  ])('refuses %j', async (text, message) => {
    const { documents, problems } = await readYaml(text);
    expect(documents).toEqual([]);
    expect(problems[0]).toMatchObject({ message: expect.stringContaining(message) });
    expect(problems[0]?.line).toBeGreaterThan(0);
  });

  it.each(['a: [*]\n', 'a: [*, b]\n', 'a: *\n', 'a: { b: * }\n'])(
    'says once how to write a text that begins with a mark: %j',
    async (text) => {
      for (const allowAliases of [false, true]) {
        const { problems } = await readYaml(text, { allowAliases });
        const message = expect.stringContaining('put quotes around a text that begins with');
        expect(problems).toMatchObject([{ message }]);
      }
    },
  );

  it.each(['a: [*x]\n', 'a: **\n'])('refuses an alias without an anchor: %j', async (text) => {
    const read = await readOneYaml(text, { allowAliases: true });
    expect(read).toMatchObject({ problems: [{ message: expect.stringContaining('put quotes') }] });
  });

  it('reads anchors, aliases and tags in settings', async () => {
    const text = 'a: &x { b: !!str 1 }\nc: *x\n1: d\n';
    expect(await readOneYaml(text, { allowAliases: true })).toMatchObject({
      value: { a: { b: '1' }, c: { b: '1' }, 1: 'd' },
    });
  });

  it.each(['"a": 1\na: 2\n', '1: a\n"1": b\n', 'x: { y: 1, y: 2 }\n'])(
    'refuses a key that occurs twice in settings: %j',
    async (text) => {
      const read = await readOneYaml(text, { allowAliases: true });
      expect(read).toMatchObject({ problems: [{ message: 'is not valid YAML: duplicate key' }] });
    },
  );

  it('refuses aliases that expand without a bound', async () => {
    const levels = Array.from({ length: 9 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`);
    const text = ['a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]', ...levels].join('\n');
    const read = await readOneYaml(text, { allowAliases: true });
    expect(read).toEqual({ problems: [{ message: 'is not valid YAML: too many aliases' }] });
  });
});

describe('readOneYaml', () => {
  it('refuses a second document', async () => {
    const read = await readOneYaml('a: 1\n---\na: 2\n');
    expect(read).toEqual({ problems: [{ message: 'must be exactly one document' }] });
  });

  it('reads an empty text as null', async () => {
    expect(await readOneYaml('# nothing\n')).toMatchObject({ value: null });
  });
});

it('names the line of a problem and quotes nothing of the text', async () => {
  const { problems } = await readYaml('a: 1\ncanary: 1\ncanary: 2\n');
  expect(problems.map(yamlProblemText)).toEqual(['line 3 is not valid YAML: duplicate key']);
});
