import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../backends/free-port.ts';
import { until } from '../backends/until.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** The built program, which starts in half the time of `npm run quaymaster`. */
export const PROGRAM = [
  join(ROOT, 'node_modules/.bin/node'),
  '--disable-sigusr1',
  join(ROOT, 'dist/quaymaster.cjs'),
] as const;
/** The same as words of a shell: the checkout may be in a directory with a blank. */
export const PROGRAM_WORDS = PROGRAM.map((word) => `'${word}'`).join(' ');

/** A broker in development mode, in a new directory, that has printed its guide. */
export interface DevBroker {
  readonly directory: string;
  readonly url: string;
  /** The link that opens the console once. */
  readonly consoleLink: string;
  /** The token of its operator. */
  readonly token: string;
  /** Ends the process. */
  stop(): Promise<void>;
  /** Starts it again after `stop`, with the same store, keys and address. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export async function startDevBroker(): Promise<DevBroker> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-dev-'));
  const port = await freePort();
  let running = await spawnDev(directory, port);
  const stop = async (): Promise<void> => {
    if (running.broker.exitCode !== null) return;
    running.broker.kill('SIGTERM');
    await once(running.broker, 'exit');
  };
  return {
    directory,
    url: `http://127.0.0.1:${port}`,
    token: (await readFile(join(directory, '.quaymaster/operator.token'), 'utf8')).trim(),
    consoleLink: /^http\S+#code=\S+$/m.exec(running.output)?.[0] ?? '',
    stop,
    start: async () => {
      running = await spawnDev(directory, port);
    },
    close: async () => {
      await stop();
      await rm(directory, { recursive: true });
    },
  };
}

interface RunningDev {
  readonly broker: ChildProcess;
  readonly output: string;
}

async function spawnDev(directory: string, port: number): Promise<RunningDev> {
  const [node, ...words] = PROGRAM;
  const broker = spawn(node, [...words, 'dev', '--port', String(port)], {
    cwd: directory,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  broker.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await until('the guide is printed', () => Promise.resolve(output.includes('audit verify')));
  return { broker, output };
}
