import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWithProgram } from '../kit/backends/describe-with-program.ts';
import { until } from '../kit/backends/until.ts';
import { findCanary } from '../kit/checks/find-canary.ts';
import { CommandLine } from '../kit/cli/command-line.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const TYPED = 'canary-typed-90ab';
const [CTRL_C, CTRL_D, ENTER] = ['\u0003', '\u0004', '\r'];
const MOUNT = JSON.stringify({
  apiVersion: 'quaymaster.dev/v1',
  kind: 'Mount',
  metadata: { name: 'asked' },
  spec: { prefix: 'asked', connection: 'embedded' },
});

let broker: PreparedBroker;
let operator: CommandLine;

describeWithProgram('script', 'on a terminal', () => {
  beforeAll(async () => {
    broker = await PreparedBroker.start();
    operator = await CommandLine.make();
    const token = await operator.write('token', broker.operator);
    await operator.ok('login', '--url', broker.installation.url, '--token-file', token);
  });

  afterAll(async () => {
    await operator.remove();
    await broker.remove();
  });

  /** Runs on a terminal and presses keys at each prompt. @returns its exit code and the whole screen */
  async function typed(
    question: string,
    keys: string,
    words: readonly string[],
  ): Promise<{ readonly code: number | null; readonly screen: string }> {
    const child = operator.beginOnTerminal(...words);
    let screen = '';
    child.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    child.stdin.on('error', () => undefined);
    const closed = once(child, 'close');
    await until(`it asks: ${screen}`, () => Promise.resolve(screen.includes(question)));
    child.stdin.write(keys);
    const [code] = (await closed) as [number | null];
    return { code, screen };
  }

  describe('a typed value', () => {
    const put = (keys: string) => typed('Value of k: ', keys, ['put', 'own/typed', 'k=-']);

    it.each([
      ['Ctrl-C', CTRL_C, 130],
      ['the end of input', CTRL_D, 1],
      ['Ctrl-C in the middle of it', `${TYPED}${CTRL_C}`, 130],
    ])('is not written after %s', async (_name, keys, expected) => {
      const { code, screen } = await put(keys);
      expect(code).toBe(expected);
      expect(screen).not.toContain('internal error');
      expect(findCanary(TYPED, { screen })).toEqual([]);
      expect((await operator.run('versions', 'own/typed')).code).toBe(4);
    });

    it('is written unchanged, and never shown', async () => {
      const { code, screen } = await put(`${TYPED}${ENTER}`);
      expect(code).toBe(0);
      expect(findCanary(TYPED, { screen })).toEqual([]);
      const token = await broker.logInEarly();
      expect((await broker.read(token, 'own/typed')).json['data']).toEqual({ k: TYPED });
    });
  });

  describe('apply on a terminal', () => {
    const apply = async (keys: string) => {
      const file = await operator.write('mount.json', MOUNT);
      return typed('[y/N] ', keys, ['apply', '-f', file]);
    };

    it.each([
      ['n', `n${ENTER}`, 1],
      ['Enter alone', ENTER, 1],
      ['Ctrl-C', CTRL_C, 130],
      ['the end of input', CTRL_D, 1],
    ])('changes nothing after %s', async (_name, keys, expected) => {
      const { code, screen } = await apply(keys);
      expect(code).toBe(expected);
      expect(screen).not.toContain('internal error');
      expect((await operator.run('mount', 'get', 'asked')).code).toBe(4);
    });

    it('applies the changes after y', async () => {
      expect((await apply(`y${ENTER}`)).code).toBe(0);
      expect((await operator.run('mount', 'get', 'asked')).code).toBe(0);
    });
  });
});
