import { describe, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { runGet } from '../../../../src/cli/verbs/get.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

const DATA = { password: 'hunter2', bell: 'a\u0007\u001b[2Jb', key: { base64: '/wA=' } };
const DISCLOSURE = { path: 'a/b', version: '3', data: DATA, lease: { id: 'lea_1', endsAt: 't' } };
const FAILED = { path: 'a/c', error: { status: 403, code: 'ERR_DENIED', title: 'Not allowed' } };

async function get(
  args: readonly string[],
  options: object,
  format: 'table' | 'json' | 'yaml' = 'table',
) {
  const broker = new ScriptedBroker({
    readSecret: () => DISCLOSURE,
    readSecrets: () => ({ items: [DISCLOSURE, FAILED] }),
  });
  const context = cliContext({ broker, format });
  const exit = await runGet(context, { args, options }).catch(
    (error: unknown) => failureOf(error).exitCode,
  );
  return { exit, out: context.out(), asked: broker.asked };
}

describe('get', () => {
  it.each(['table', 'json', 'yaml'] as const)(
    'masks values in a %s unless --reveal is given',
    async (format) => {
      const { out } = await get(['a/b'], {}, format);
      expect(out).toContain('[masked]');
      expect(out).not.toContain('hunter2');
      expect(out).not.toContain('/wA=');
      expect((await get(['a/b'], { reveal: true }, format)).out).toContain('hunter2');
    },
  );

  it('sends the reason with one path and with several', async () => {
    const one = await get(['a/b'], { reason: 'INC-7' });
    const several = await get(['a/b', 'a/c'], { reason: 'INC-7' });
    expect(one.asked).toMatchObject([{ query: { reason: 'INC-7' } }]);
    expect(several.asked).toMatchObject([{ body: { reason: 'INC-7' } }]);
  });

  it('prints JSON in the shape of the API', async () => {
    const { out } = await get(['a/b'], { reveal: true }, 'json');
    expect(JSON.parse(out)).toEqual(DISCLOSURE);
  });

  it('prints no control characters', async () => {
    const { out } = await get(['a/b'], { reveal: true });
    expect(out).toContain('a\\u{7}\\u{1b}[2Jb');
    expect(out).not.toContain('\u001b');
  });

  it('masks and shows every key, a key like toString included', async () => {
    const data = JSON.parse('{"__proto__":"p","constructor":"c","toString":"s"}') as object;
    const broker = new ScriptedBroker({ readSecret: () => ({ path: 'a/b', version: '1', data }) });
    const read = async (options: object, format: 'json' | 'table'): Promise<string> => {
      const context = cliContext({ broker, format });
      await runGet(context, { args: ['a/b'], options });
      return context.out();
    };
    const masked = JSON.parse(await read({}, 'json')) as { data: object };
    expect(Object.entries(masked.data)).toEqual(Object.keys(data).map((key) => [key, '[masked]']));
    expect(await read({ reveal: true }, 'table')).toMatch(
      /__proto__ +p\nconstructor +c\ntoString +s/,
    );
    expect(await read({ key: '__proto__', reveal: true }, 'table')).toBe('p');
  });

  it.each(['table', 'json', 'yaml'] as const)(
    'prints a %s without terminal control characters, and gives machines the unchanged value',
    async (format) => {
      const data = { ['k\u200b']: 'a\u202eb\u009b2Jc\u2028d\u{e0041}e\u061cf\nsecond line' };
      const disclosure = { path: 'a/b\u202e', version: '3', data };
      const broker = new ScriptedBroker({ readSecret: () => disclosure });
      const context = cliContext({ broker, format });
      await runGet(context, { args: ['a/b'], options: { reveal: true } });
      expect(context.out()).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/u);
      if (format === 'json') expect(JSON.parse(context.out())).toEqual(disclosure);
      if (format === 'yaml') expect(load(context.out())).toEqual(disclosure);
    },
  );

  it('escapes control characters of one value on a terminal', async () => {
    const data = { text: 'a\u202eb', bytes: { base64: '/wA=' } };
    const broker = new ScriptedBroker({ readSecret: () => ({ ...DISCLOSURE, data }) });
    const read = async (key: string): Promise<string> => {
      const context = cliContext({ broker, isTerminal: true });
      await runGet(context, { args: ['a/b'], options: { key, reveal: true } });
      return context.out();
    };
    expect(await read('text')).toBe('a\\u{202e}b\n');
    expect(await read('bytes')).toBe('base64:/wA=\n');
  });

  it.each([
    ['password', 'hunter2'],
    ['bell', DATA.bell],
  ])('prints the value of %s bare into a pipe', async (key, expected) => {
    expect(await get(['a/b'], { key, reveal: true })).toMatchObject({ exit: 0, out: expected });
  });

  it('prints one value only with --reveal, and reports a missing key', async () => {
    expect(await get(['a/b'], { key: 'password' })).toMatchObject({ exit: 64, out: '' });
    expect(await get(['a/b'], { key: 'toString', reveal: true })).toMatchObject({ exit: 4 });
  });

  it('reads several secrets in one call, and exits with the code of the first failure', async () => {
    const { exit, out, asked } = await get(['a/b', 'a/c'], {});
    expect(exit).toBe(3);
    expect(out).toMatch(/a\/c\s+-\s+-\s+ERR_DENIED/);
    expect(out).not.toContain('hunter2');
    expect(asked).toEqual([
      { id: 'readSecrets', body: { items: [{ path: 'a/b' }, { path: 'a/c' }] } },
    ]);
  });
});
