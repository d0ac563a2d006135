import { describe, expect, it } from '@jest/globals';
import { readOneYaml, readYaml, yamlProblemText } from '../../../../src/domain/text/strict-yaml.ts';

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
    ['? [a]\n: b\n', 'a key must be a text'],
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
    expect(read).toMatchObject({
      problems: expect.arrayContaining([
        { message: 'is not valid YAML: too many aliases', line: 10, column: 15 },
      ]),
    });
  });
});

describe('a fault in YAML', () => {
  const anchors = 'anchors, aliases and tags are not allowed';
  it.each([
    ['a: {\n', '2:1', 'a quote, [ or { before this place is not closed'],
    ['a: "x\n', '2:1', 'a quote, [ or { before this place is not closed'],
    ["a: 'it's'\n", '1:8', 'a text that needs quotes'],
    ['a: b: c\n', '1:5', 'a text that needs quotes'],
    ['a: @x\n', '1:4', 'a text that needs quotes'],
    ['a:\n  b: 1\n c: 2\n', '3:2', 'bad indent'],
    ['a: 1\n\tb: 2\n', '2:1', 'a tab in an indent'],
    ['a: 1\nb\n', '3:1', 'a key without ": "'],
    ['"a":1\n', '1:5', 'a blank after ":" is missing'],
    ['- a\nb: c\n', '2:1', 'text after the end of a value'],
    ['a: [1, , 2]\n', '1:8', 'nothing stands before a comma'],
    ['a: ["b" "c"]\n', '1:9', 'a comma, ] or } before this place is missing'],
    ['a: "C:\\dir"\n', '1:8', 'unknown escape'],
    ['a: \u0001\n', '1:4', 'a control character'],
    ['{{ x }}\n', '1:2', 'a key must be a text'],
    ['a: 1\n---\nb: 1\nb: 2\n', '4:1', 'duplicate key'],
    ['a:\n  - *x\n', '2:5', anchors],
    ['a: [**]\n', '1:5', anchors],
    ['a: !canary x\n', '1:4', anchors],
    ['a: !<canary canary> x\n', '1:20', 'is not valid YAML'],
    ['!canary!x a\n', '1:10', 'is not valid YAML'],
  ])('is found in %j at %s', async (text, place, words) => {
    const { problems } = await readYaml(text);
    expect(problems).toEqual([
      expect.objectContaining({ message: expect.stringContaining(words) }),
    ]);
    expect(problems.map(({ line, column }) => `${line}:${column}`)).toEqual([place]);
    expect(JSON.stringify(problems)).not.toContain('canary');
  });

  it.each([
    '!!int x',
    '!!str [x]',
    '!!binary AAAA',
    '!x y',
    '!!map []',
    '!<tag:yaml.org,2002:str> a',
  ])('is a tag of settings that does not fit: %j', async (text) => {
    const { problems } = await readYaml(`a: ${text}\n`, { allowAliases: true });
    expect(problems).toEqual([
      { message: expect.stringContaining('type of its tag'), line: 1, column: 4 },
    ]);
  });

  it('is an alias within the value that it stands for', async () => {
    const { problems } = await readYaml('a: &a { b: *a }\n', { allowAliases: true });
    expect(problems).toEqual([
      { message: expect.stringContaining('put quotes'), line: 1, column: 12 },
    ]);
  });

  it('is reported a hundred times at most', async () => {
    const { problems } = await readYaml('a: 1\n'.repeat(1_000));
    expect(problems).toHaveLength(100);
  });
});

describe('the value of YAML', () => {
  it.each([
    ['[~, null, Null, NULL, ""]', [null, null, null, null, '']],
    ['[true, False, yes, no, on, y]', [true, false, 'yes', 'no', 'on', 'y']],
    ['[1, -2, +3, 012, 0o17, 0x1F, 0b1, 1_0]', [1, -2, 3, 12, 15, 31, '0b1', '1_0']],
    ['[1.5, .5, 1e3, -1.E-2, 1:30, 1.2.3]', [1.5, 0.5, 1000, -0.01, '1:30', '1.2.3']],
    ['[.inf, -.INF, 1e999, 2026-11-27]', [Infinity, -Infinity, '1e999', '2026-11-27']],
    ['[\'it\'\'s\', "\\u00e9\\x41\\n", "\\ud83d\\ude00"]', ["it's", 'éA\n', '😀']],
    ['a: |\n  x\n   y\n\n\nb: >-\n  x\n  y\n\n  z\n', { a: 'x\n y\n', b: 'x y\nz' }],
    ['a: |+\n  x\n\nb: |1-\n   x\n', { a: 'x\n\n', b: '  x' }],
    ['a: x\n  y\n\n  z # no\nb: "x\n  y\\\n  z"\n', { a: 'x y\nz', b: 'x yz' }],
    ['- - a\n  - b\n-\n  c: d\n-\n', [['a', 'b'], { c: 'd' }, null]],
    [
      '1: a\n0x10: b\n1.0: c\nnull: d\n? e\n',
      { 1: 'a', '0x10': 'b', '1.0': 'c', null: 'd', e: null },
    ],
    ['{a, b: , "c":1, ? d : e}', { a: null, b: null, c: 1, d: 'e' }],
    ['<<: { a: 1 }\n=: b\n', { '<<': { a: 1 }, '=': 'b' }],
    ['\ufeff%YAML 1.1\n--- # c\na: no\n...\n', { a: 'no' }],
    ['{"a":\n\t{"b": [1,\n\t2]}}', { a: { b: [1, 2] } }],
    ['a: x\r\nb:\r\n  - y\r\n', { a: 'x', b: ['y'] }],
  ])('is read from %j as YAML 1.2 says', async (text, value) => {
    expect(await readOneYaml(text)).toMatchObject({ value });
  });

  it('has __proto__ as a field like others', async () => {
    const read = await readOneYaml('__proto__: { admin: true }\n');
    const { value } = read as { readonly value: object };
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  });

  it('has documents where there is a value', async () => {
    const { documents } = await readYaml('---\n---\na: 1\n--- ~\n...\n# end\n---\n');
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, null]);
  });

  it('has the position of the text, whatever its style', async () => {
    const text = 'a: "x"\nb: |\n  y\nc:\nd: [z, {e: f}]\n? g\n: h\n"i": &i\n  j: k\nl: *i\n';
    const read = await readOneYaml(text, { allowAliases: true });
    const at = (pointer: string): string => {
      const { line, column } = ('locate' in read ? read.locate(pointer) : undefined) ?? {};
      return `${line}:${column}`;
    };
    const places = ['', '/a', '/b', '/c', '/d/0', '/d/1/e', '/g', '/i', '/i/j', '/l'].map(at);
    expect(places).toEqual([
      '1:1',
      '1:4',
      '3:3',
      '4:1',
      '5:5',
      '5:12',
      '7:3',
      '9:3',
      '9:6',
      '10:4',
    ]);
    expect(at('/l/j')).toBe('undefined:undefined');
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
