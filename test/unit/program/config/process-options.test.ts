import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { describeWithProgram } from '../../../kit/backends/describe-with-program.ts';
import { coreFiles, refuseOpenProcess } from '../../../../src/program/config/process-options.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';

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
  ])('is not started with %s (ED10, X01, X07)', (option) => {
    for (const failure of [
      refusal([], { NODE_OPTIONS: option }),
      refusal(option.replaceAll(/["\\]/g, '').split(' ')),
    ]) {
      expect(failure).toMatchObject({ code: 'ERR_CONFIG_INVALID' });
      expect(failure?.message).toContain('remove it from its arguments and from NODE_OPTIONS');
    }
  });

  it.each(['NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_V8_COVERAGE'])(
    'is not started with %s (ED10, X01, X07)',
    (name) => {
      expect(refusal([], { [name]: 'x' })?.message).toContain(name);
    },
  );

  it('is started with sizes, certificates of the system, and the inspector disabled', () => {
    const NODE_OPTIONS = ' --max-old-space-size=400  --max_semi_space_size 16 --use-system-ca';
    expect(refusal(['--disable-sigusr1', '--no-warnings'], { NODE_OPTIONS })).toBeUndefined();
    expect(refusal([], { NODE_OPTIONS: '', NODE_DEBUG: '' })).toBeUndefined();
  });

  it('refuses before it opens anything, and names the option to remove (ED10)', async () => {
    const root = await fileTree({
      'config.yaml': [
        `store: { type: sqlite, path: ${join(import.meta.dirname, 'never.db')} }`,
        'kek: { type: local-file, path: /nowhere/kek }',
        'audit: { origin: a/b, logKeyFile: /nowhere/log.key, checkpointFile: /nowhere/checkpoint }',
      ].join('\n'),
    });
    const program = join(import.meta.dirname, '../../../../src/program/main.ts');
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
  it('starts with the options of a debugger', () => {
    const started = { execArgv: ['--inspect'], environment: {} };
    expect(() => refuseOpenProcess({ mode: 'development' }, started)).not.toThrow();
  });
});

describe('core files', () => {
  const LIMITS = (soft: string): string =>
    `Max core file size        ${soft}                    unlimited            bytes`;
  it.each([
    ['core', '00000033', LIMITS('0'), false],
    ['core', '00000033', LIMITS('1'), false],
    ['core', '00000033', LIMITS('unlimited'), true],
    ['core', '00000033', LIMITS('4096'), true],
    ['|/lib/systemd/systemd-coredump %P', '00000033', LIMITS('0'), true],
    ['|/lib/systemd/systemd-coredump %P', '00000033', LIMITS('1'), false],
    ['|/lib/systemd/systemd-coredump %P', '00000000', LIMITS('unlimited'), false],
    ['core', '00000000', LIMITS('unlimited'), false],
  ])(
    'are judged at %j with the filter %s and %j by whether they have memory: %s',
    async (pattern, filter, limits, haveMemory) => {
      const root = await fileTree({
        'sys/kernel/core_pattern': `${pattern}\n`,
        'self/coredump_filter': `${filter}\n`,
        'self/limits': `Limit   Soft Limit  Hard Limit  Units\n${limits}\n`,
      });
      expect(coreFiles(root)).toEqual({ haveMemory, pattern });
    },
  );

  it('are not judged if the system reports nothing about them', () => {
    expect(coreFiles('/nowhere')).toBeUndefined();
  });
});

describeWithProgram('prlimit', 'a core file', () => {
  it('does not contain the values of a process that leaves its memory out', async () => {
    const root = await fileTree({});
    const module = join(import.meta.dirname, '../../../../src/process/core-files.ts');
    const code = `
      import { leaveMemoryOutOfCoreFiles } from ${JSON.stringify(module)};
      leaveMemoryOutOfCoreFiles();
      globalThis.kept = Buffer.from('can' + 'ary-of-core-files '.repeat(9));
      process.abort();`;
    const words = ['--core=unlimited', process.execPath, '--input-type=module', '-e', code];
    const env = { ...process.env, NODE_OPTIONS: '--no-warnings' };
    const { signal } = spawnSync('prlimit', words, { cwd: root, env });
    expect(signal).toBe('SIGABRT');
    // There is a file if core_pattern is a relative name.
    for (const file of readdirSync(root)) {
      expect(readFileSync(join(root, file)).includes('canary-of-core-files')).toBe(false);
    }
  });
});
