import type { ChildProcessByStdio } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./store-writer-child.ts', import.meta.url));

/** Options of the writer: plans per round, rounds, rounds at once, where its store syncs, and a command before it such as strace. */
export interface WriterOptions {
  readonly width?: number;
  readonly rounds?: number;
  readonly lanes?: number;
  readonly syncs?: 'loop' | 'pool';
  readonly before?: readonly string[];
}

/** A child that writes to a store, and every line of its output. */
export class WriterChild {
  readonly #child: ChildProcessByStdio<null, Readable, Readable>;
  readonly #ended: Promise<unknown>;
  readonly lines: string[] = [];
  errors = '';

  constructor(path: string, options: WriterOptions = {}) {
    const { width = 1, rounds = Infinity, lanes = 1, syncs = 'loop', before = [] } = options;
    const how = [width, rounds, lanes, syncs].map(String);
    const writer = [process.execPath, PROGRAM, path, ...how];
    const [command, ...args] = [...before, ...writer] as [string, ...string[]];
    this.#child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] },
    });
    this.#ended = once(this.#child, 'close');
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(line));
    this.#child.stderr.on('data', (data: Buffer) => {
      this.errors += data.toString();
    });
  }

  /** Ids with this word in the output. */
  said(word: 'ack' | 'no'): string[] {
    return this.lines
      .filter((line) => line.startsWith(`${word} `))
      .map((line) => line.split(' ')[1] ?? '');
  }

  /** Resolves when that many lines have arrived, or the child has ended. */
  async until(count: number): Promise<void> {
    while (
      this.lines.length < count &&
      this.#child.exitCode === null &&
      this.#child.signalCode === null
    ) {
      await Promise.race([once(this.#child.stdout, 'data'), this.#ended]);
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.#ended;
  }

  async ended(): Promise<void> {
    await this.#ended;
  }
}
