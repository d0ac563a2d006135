import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { mayDumpCore, refuseOpenProcess } from '../../../../src/compose/config/process-options.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/file-tree.ts';

removeTreesAfterEach();

const PRODUCTION = { mode: 'production' } as const;
const refusal = (execArgv: readonly string[], environment: NodeJS.ProcessEnv = {}) => {
  try {
    refuseOpenProcess(PRODUCTION, { execArgv, environment });
    return undefined;
  } catch (error) {
    return error as { readonly code: string; readonly message: string };
  }
};

describe('a production broker', () => {
  it.each([
    '--inspect',
    '--inspect=0.0.0.0:9229',
    '--inspect-brk',
    '--inspect_brk',
    '--inspect-port=1',
    '--require=/tmp/x.cjs',
    '--require /tmp/x.cjs',
    '-r /tmp/x.cjs',
    '--import data:text/javascript,1',
    '"--import" x',
    '--imp\\ort x',
    '--loader=x',
    '--report-on-signal',
    '--heapsnapshot-signal=SIGUSR2',
    '--heapsnapshot-near-heap-limit=1',
    '--diagnostic-dir=/tmp',
    '--tls-keylog=/tmp/keys',
    '--cpu-prof',
    '--insecure-http-parser',
    '--openssl-config=/tmp/x',
    '--permission',
    '--report-on-fatalerror',
    '--report-uncaught-exception',
    '--abort-on-uncaught-exception',
    '--max-old-space-size=400 --inspect',
  ])('is not started with %s', (option) => {
    for (const failure of [
      refusal([], { NODE_OPTIONS: option }),
      refusal(option.replaceAll(/["\\]/g, '').split(' ')),
    ]) {
      expect(failure).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
      expect(failure?.message).toContain('remove it from its arguments and from NODE_OPTIONS');
    }
  });

  it.each(['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE'])(
    'is not started with %s',
    (name) => {
      expect(refusal([], { [name]: 'x' })?.message).toContain(name);
    },
  );

  it('is started with sizes, certificates of the system, and the inspector disabled', () => {
    const NODE_OPTIONS = ' --max-old-space-size=400  --max_semi_space_size 16 --use-system-ca';
    expect(refusal(['--disable-sigusr1', '--no-warnings'], { NODE_OPTIONS })).toBeUndefined();
    expect(refusal([], { NODE_OPTIONS: '', NODE_DEBUG: '' })).toBeUndefined();
  });

  it('refuses before it opens anything, and names the option to remove', async () => {
    const root = await fileTree({
      'config.yaml': [
        `store: { type: sqlite, path: ${join(import.meta.dirname, 'never.db')} }`,
        'kek: { type: local-file, path: /nowhere/kek }',
        'audit: { origin: a/b, logKeyFile: /nowhere/log.key, checkpointFile: /nowhere/checkpoint }',
      ].join('\n'),
    });
    const program = join(import.meta.dirname, '../../../../src/main.ts');
    const words = [program, 'serve', '--config', join(root, 'config.yaml')];
    const env = { ...process.env, NODE_OPTIONS: '--report-on-signal' };
    const { status, stderr } = spawnSync(process.execPath, words, { env, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: expect.stringContaining('Node was started with --report-on-signal') as unknown,
    });
  });
});

describe('a broker for development', () => {
  it('may be debugged', () => {
    const started = { execArgv: ['--inspect'], environment: {} };
    expect(() => refuseOpenProcess({ mode: 'development' }, started)).not.toThrow();
  });
});

describe('the core limit', () => {
  it.each([
    ['Max core file size        0                    unlimited            bytes', false],
    ['Max core file size        unlimited            unlimited            bytes', true],
    ['Max core file size        1024                 unlimited            bytes', true],
    ['Max stack size            8388608              unlimited            bytes', false],
  ])('of %j: %s', async (line, expected) => {
    const root = await fileTree({ limits: `Limit   Soft Limit  Hard Limit  Units\n${line}\n` });
    expect(mayDumpCore(join(root, 'limits'))).toBe(expected);
  });

  it('is treated as unlimited if the system does not report it', () => {
    expect(mayDumpCore('/nowhere/limits')).toBe(false);
  });
});
