import { describe, expect, it } from '@jest/globals';
import { parseYaml } from '../../../../../src/domain/text/parse-body.ts';

const BYTES = 65_536;
const filled = (unit: string, before = ''): string =>
  before + unit.repeat(Math.floor((BYTES - before.length) / unit.length));

describe('a YAML document of the largest size', () => {
  it.each([
    ['brackets that close nothing', filled(']')],
    ['braces after an open list', filled('}', '[')],
    ['open brackets', filled('[')],
    ['lists in each other', filled('- ')],
    ['keys in each other', filled('? ')],
    ['a list of dashes', filled('- ,', '[')],
    ['commas', filled(',', '{')],
    ['documents', filled('---\n')],
    ['directives', filled('%\n')],
    ['anchors', filled('&a ')],
    ['tags', filled('- !a\n')],
    ['one tag', filled('a', '!')],
    ['escapes that there are not', `${filled('\\x', '"')}"`],
    ['an open text', filled('a', '"')],
    ['numbers', `${filled('1,', '[')}]`],
    ['maps in a list', `${filled('a: b,', '[')}]`],
    ['equal keys', filled('a: b\n')],
    ['NUL', filled('\0')],
    ['halves of characters', filled('\ud800')],
    [
      'aliases of aliases',
      Array.from({ length: 60 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`).join('\n'),
    ],
  ])('is refused if it is made of %s', async (_of, text) => {
    await expect(parseYaml(text)).rejects.toThrow(
      expect.objectContaining({ code: 'ERR_BODY_INVALID' }),
    );
  });

  it('is refused if it nests too deep, with the place', async () => {
    const levels = Array.from({ length: 200 }, (_, depth) => `${' '.repeat(depth)}a:\n`);
    await expect(parseYaml(levels.join(''))).rejects.toThrow(
      expect.objectContaining({
        problems: [
          {
            pointer: '',
            message: 'is not valid YAML: nested deeper than 100',
            line: 100,
            column: 100,
          },
        ],
      }),
    );
  });

  it.each([
    ['one text', filled('a')],
    ['one key', `${filled('k').slice(8)}: v`],
    ['lines of one text', filled('a\n')],
    ['empty lines of one text', `a: |\n${filled('\n').slice(8)}`],
    ['escaped quotes', `'${filled("''").slice(8)}'`],
    ['marks of byte order', filled('\ufeff\n')],
  ])('is read if it is made of %s', async (_of, text) => {
    expect((await parseYaml(text)).value).not.toBeNull();
  });

  it('is read up to the size that a person could write', async () => {
    const paths = Array.from({ length: 3_000 }, (_, index) => `- payments/${index}/db # ours\n`);
    const fields = Array.from({ length: 900 }, (_, index) => `key${index}: "a \\u0041 b"\n`);
    const { value } = await parseYaml(`${fields.join('')}paths:\n${paths.join('')}`);
    expect(value).toMatchObject({ key899: 'a A b', paths: expect.any(Array) });
    expect((await parseYaml(filled('# a comment\n') + 'a: 1')).value).toEqual({ a: 1 });
  });
});
