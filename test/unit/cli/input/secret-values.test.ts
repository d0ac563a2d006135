import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { runPut } from '../../../../src/cli/verbs/put.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

removeTreesAfterEach();

async function put(words: readonly string[], options: object = {}, stdin = '') {
  const broker = new ScriptedBroker({ writeSecret: () => ({ path: 'a/b', version: '1' }) });
  const context = cliContext({ broker, stdin });
  const error = await runPut(context, { args: ['a/b', ...words], options }).catch(
    (failure: unknown) => failure as Error,
  );
  const said = `${context.out()}${context.err()}${error === undefined ? '' : error.message}`;
  return { asked: broker.asked, said, failed: error !== undefined };
}

describe('put', () => {
  it('takes values from files and standard input, byte for byte', async () => {
    const directory = await fileTree({ text: 'ä\n', bytes: Uint8Array.of(0xff, 0) });
    const words = [`a=@${join(directory, 'text')}`, `b=@${join(directory, 'bytes')}`, 'c=-'];
    const { asked, said } = await put(words, {}, 'piped = yes\n');
    expect(asked[0]).toEqual({
      id: 'writeSecret',
      path: { path: 'a/b' },
      query: { dropKeys: 'refuse' },
      headers: {},
      body: { data: { a: 'ä\n', b: { base64: '/wA=' }, c: 'piped = yes\n' } },
    });
    expect(said).not.toContain('piped');
  });

  it('sends text with NUL as base64, because the API takes none', async () => {
    const { asked } = await put(['k=-'], {}, 'a\0b');
    expect(asked[0]?.body).toEqual({ data: { k: { base64: 'YQBi' } } });
  });

  it.each([
    [{ create: true }, { 'If-None-Match': '*' }],
    [{ ifVersion: '3' }, { 'If-Match': '"3"' }],
  ])('reports the missing part of %j', async (options, headers) => {
    const { asked } = await put(['k=-'], options, 'v');
    expect(asked[0]?.headers).toEqual(headers);
  });

  it('asks nothing before it creates a secret, so that no denied look-up is in the log', async () => {
    const { asked } = await put(['k=-'], { create: true }, 'v');
    expect(asked.map(({ id }) => id)).toEqual(['writeSecret']);
  });

  it('takes all keys from one JSON object', async () => {
    const { asked } = await put([], { fromJson: '-' }, '{"k":"v","b":{"base64":"AA=="}}');
    expect(asked[0]?.body).toEqual({ data: { k: 'v', b: { base64: 'AA==' } } });
  });

  it.each(['password=hunter2', 'hunter2', 'password=', '=@x', 'k=@'])(
    'refuses the value in %s, and does not repeat it',
    async (word) => {
      const { asked, said, failed } = await put([word]);
      expect({ asked, failed }).toEqual({ asked: [], failed: true });
      expect(said).toContain('never an argument');
      expect(said).not.toContain('hunter2');
    },
  );

  it.each([
    [['a=-', 'b=-'], {}, 'only one key'],
    [['a=-'], { fromJson: '-' }, 'either'],
    [[], {}, 'either'],
    [['a=-'], { create: true, ifVersion: '1' }, 'use one of them'],
  ])('refuses %j with %j', async (words, options, expected) => {
    const { asked, said } = await put(words, options, '{}');
    expect(asked).toEqual([]);
    expect(said).toContain(expected);
  });

  it('takes any name for a key, also one that every object has', async () => {
    const file = join(await fileTree({ v: 'x' }), 'v');
    const keys = ['constructor', 'toString', '__proto__'];
    const { asked } = await put(keys.map((key) => `${key}=@${file}`));
    const { data } = asked[0]?.body as { data: object };
    expect(Object.entries(data)).toEqual(keys.map((key) => [key, 'x']));
  });

  it('refuses a repeated key', async () => {
    const file = join(await fileTree({ v: 'x' }), 'v');
    const { asked, said } = await put([`toString=@${file}`, `toString=@${file}`]);
    expect(asked).toEqual([]);
    expect(said).toContain('key toString is given twice');
  });

  it.each(['[1]', '"x"', '{', 'null', ''])(
    'refuses %j as data without repeating it',
    async (text) => {
      const { asked, said } = await put([], { fromJson: '-' }, `${text} `);
      expect(asked).toEqual([]);
      expect(said).toContain('--from-json');
    },
  );
});
