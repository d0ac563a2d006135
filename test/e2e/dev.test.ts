import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWithPrograms } from '../kit/backends/describe-with-program.ts';
import { until } from '../kit/backends/until.ts';
import { PROGRAM } from '../kit/broker/dev-broker.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const [NODE, ...BUILT] = PROGRAM;
/** `npm run dev` starts the program from its source. A later start is of the built program, which needs half the processor time. */
const SOURCE = [join(ROOT, 'src/program/main.ts')];
/** Node's cache of compiled code. Without it, each start from the source would compile all of it. */
const COMPILED = join(tmpdir(), 'quaymaster-compiled');
/** Name of a directory that a shell splits if a printed line does not quote it. */
const FILES = 'my files';

describeWithPrograms(['bash', 'curl'], 'development mode', () => {
  let directory: string;
  let broker: ChildProcess;
  let output = '';

  async function start(program: readonly string[]): Promise<void> {
    output = '';
    const words = [...program, 'dev', '--directory', join(directory, FILES), '--port', '0'];
    broker = spawn(NODE, words, {
      cwd: directory,
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    broker.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await until('the guide is printed', () => Promise.resolve(output.includes('audit verify')));
  }

  async function stop(): Promise<void> {
    broker.kill('SIGTERM');
    await once(broker, 'exit');
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-dev-'));
    await start(SOURCE);
  });

  afterAll(async () => {
    await stop();
    await rm(directory, { recursive: true });
  });

  /** The lines to paste, up to the one that begins with `last`, in another terminal with another directory. */
  async function paste(...beginnings: readonly string[]): Promise<string> {
    const lines = output
      .split('\n')
      .filter((line) => beginnings.some((start) => line.startsWith(start)));
    const env = {
      PATH: process.env['PATH'] ?? '',
      HOME: directory,
      NODE_COMPILE_CACHE: COMPILED,
    };
    const { stdout } = await run('bash', ['-c', lines.join('\n')], { cwd: tmpdir(), env });
    return stdout;
  }

  it('reports what it created and the results of its demonstration', () => {
    expect(output).toContain('created the key-encryption key');
    expect(output).toContain('a pod of shop/web logged in: ses_');
    expect(output).toContain('it read demo/shop/db: 200');
    expect(output).toContain('it asked for demo/payments/db: 403 ERR_DENIED');
    expect(output).toMatch(
      /no scanner saw its image: 503 ERR_POSTURE_PENDING\n.*has a fix: 403 ERR_POSTURE_DENIED\n.*found none: 200\n.*a read is 401 ERR_UNAUTHENTICATED, and a new login 403 ERR_DENIED\n/,
    );
    expect(output).not.toContain('"level":"error"');
  });

  it('prints lines that log in, read one, read a batch and are refused', async () => {
    const answers = (await paste('SESSION=', 'curl')).trim().split('\n');
    const [one, batch, refused] = answers.map(
      (line) => JSON.parse(line) as Record<string, unknown>,
    );
    expect(one).toMatchObject({ path: 'demo/shop/db', data: { username: 'shop' }, lease: {} });
    expect(batch?.['items']).toMatchObject([
      { path: 'demo/shop/db' },
      { path: 'demo/shop/api' },
      { error: { code: 'ERR_DENIED' } },
    ]);
    expect(refused).toMatchObject({ code: 'ERR_DENIED', status: 403 });
  });

  it('prints lines for the command line and the sidecar: they read back, rotate, search, and only the sidecar shows a value', async () => {
    const shown = await paste('qm()', 'qm ', 'operator ');
    expect(shown).toContain('demo/shop/api');
    expect(shown).toMatch(/^password +\[masked\]/m);
    expect(shown).toMatch(/holders/);
    expect(shown).toMatch(/api -> .*db\.env -> /s);
    expect(shown).toContain('username=');
    expect(shown).not.toContain('not-a-real-key');
  });

  it('prints a line that exports the log and verifies it', async () => {
    const report = await paste('qm()', 'EXPORT=');
    expect(report).toContain('verified: ');
    expect(report).toContain('anchored');
  });

  it('prints lines that an interactive zsh accepts too: no comments, and no apostrophe outside quotes', () => {
    const [, lines = ''] = output.split('another terminal:\n');
    for (const line of lines.trim().split('\n')) {
      expect(line).not.toMatch(/^\s*#/);
      expect((line.match(/'/g) ?? []).length % 2).toBe(0);
      if (line.startsWith(':')) expect(line).toMatch(/^: '[^']+'$/);
    }
  });

  it('keeps its keys and tokens private', async () => {
    for (const name of [
      'keys/kek',
      'keys/log.pem',
      'operator.token',
      'login.json',
      'pod.token',
      'alerts.secret',
      'agent.yaml',
      'store/quaymaster.db',
    ]) {
      expect((await stat(join(directory, FILES, name))).mode & 0o077).toBe(0);
    }
  });

  it('listens on loopback and refuses any other address (X03)', async () => {
    const files = join(directory, FILES);
    const { devConfig, devFiles } = await import('../../src/program/dev/dev-config.ts');
    const { checkConfig } = await import('../../src/program/config/load.ts');
    const config = devConfig(devFiles(files), join(files, 'issuer.jwks.json'), 8200);
    const listener = { ...config.listener, host: '0.0.0.0', plaintextBehindProxy: true };
    expect(() => checkConfig({ ...config, listener }, 'test')).toThrow(/loopback/);
  });

  it('keeps the token of the operator when it starts again, and reports nothing as new', async () => {
    const file = join(directory, FILES, 'operator.token');
    const before = await readFile(file, 'utf8');
    await stop();
    await start(BUILT);
    expect(await readFile(file, 'utf8')).toBe(before);
    expect(output).not.toMatch(/^(created|registered|mounted|wrote|saved|defined) /m);
    expect(output).toMatch(/saw its image: 503.*\n.*: 403.*\n.*: 200\n.*is 401 .* login 403/);
    expect(await paste('qm()', 'operator ')).toContain('demo/shop/api');
  });

  it.each([
    ['the first line', 'registered clus', /ERR_|^ +at /m],
    [
      'the last line',
      'Falco reported',
      // The demonstration itself shows these refusals.
      /ERR_(?!DENIED|POSTURE_PENDING|POSTURE_DENIED|UNAUTHENTICATED)|^ +at /m,
    ],
  ])(
    'stops without an error and prints no guide at Ctrl-C after %s of the demonstration',
    async (_name, line, unexpected) => {
      const options = ['dev', '--directory', join(directory, 'stopped'), '--port', '0'];
      const stopped = spawn(NODE, [interruptAt(line), ...BUILT, ...options], {
        env: { ...process.env, NODE_COMPILE_CACHE: COMPILED },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let printed = '';
      const keep = (chunk: Buffer): void => void (printed += chunk.toString());
      stopped.stdout.on('data', keep);
      stopped.stderr.on('data', keep);
      expect(await once(stopped, 'close')).toEqual([0, null]);
      expect(printed).toContain(line);
      expect(printed).not.toMatch(unexpected);
      expect(printed).not.toContain('Paste these lines');
    },
  );

  it('makes a new token if the earlier one is gone or is not accepted', async () => {
    const file = join(directory, FILES, 'operator.token');
    await stop();
    const before = await readFile(file, 'utf8');
    const other = before.trim().endsWith('0') ? '1' : '0';
    await writeFile(file, `${before.trim().slice(0, -1)}${other}\n`);
    await start(BUILT);
    expect(await readFile(file, 'utf8')).not.toContain(before.trim().slice(0, -1));
    expect(await paste('qm()', 'operator ')).toContain('demo/shop/api');
  });
});

/** Option of Node with which the process sends itself the signal of Ctrl-C when it prints `text`: from outside, a signal could come later. */
function interruptAt(text: string): string {
  const code = `
    const write = process.stdout.write.bind(process.stdout);
    process.stdout.write = (chunk, ...more) => {
      if (String(chunk).includes(${JSON.stringify(text)})) process.kill(process.pid, 'SIGINT');
      return write(chunk, ...more);
    };`;
  return `--import=data:text/javascript,${encodeURIComponent(code)}`;
}
