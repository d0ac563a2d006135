import { describe, expect, it } from '@jest/globals';
import { parseYaml } from '../../../src/api/body/parse-body.ts';

const BYTES = 65_536;
const filled = (unit: string, before = ''): string =>
  before + unit.repeat(Math.floor((BYTES - before.length) / unit.length));

describe('a YAML document with many marks', () => {
  it.each([
    ['brackets that close nothing', filled(']')],
    ['braces after an open list', filled('}', '[')],
    ['a list of dashes', filled('- ,', '[')],
    ['commas', filled(',', '{')],
    ['documents', filled('---\n')],
    ['directives', filled('%\n')],
    ['anchors', filled('&a ')],
    ['tags', filled('- !a\n')],
    ['escapes that there are not', `${filled('\\x', '"')}"`],
    ['numbers', `${filled('1,', '[')}]`],
  ])('is refused before its %s are parsed', async (_of, text) => {
    await expect(parseYaml(text)).rejects.toThrow(
      expect.objectContaining({
        code: 'ERR_BODY_INVALID',
        problems: [{ pointer: '', message: 'has more than 10000 keys, values and signs' }],
      }),
    );
  });

  it('with many errors reports the first hundred, and restores stack traces', async () => {
    const limit = Error.stackTraceLimit;
    await expect(parseYaml('['.padEnd(9_000, '- ,'))).rejects.toThrow(
      expect.objectContaining({
        problems: Array(100).fill(expect.objectContaining({ line: 1 })),
        stack: expect.stringContaining('parse-body.ts'),
      }),
    );
    expect(Error.stackTraceLimit).toBe(limit);
  });

  it('is read up to the size that a person could write', async () => {
    const paths = Array.from({ length: 3_000 }, (_, index) => `- payments/${index}/db # ours\n`);
    const fields = Array.from({ length: 900 }, (_, index) => `key${index}: "a \\u0041 b"\n`);
    const { value } = await parseYaml(`${fields.join('')}paths:\n${paths.join('')}`);
    expect(value).toMatchObject({ key899: 'a A b', paths: expect.any(Array) });
    expect((await parseYaml(filled('# a comment\n') + 'a: 1')).value).toEqual({ a: 1 });
  });
});
