import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../dist/quaymaster.cjs', import.meta.url));
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The built program in a user's shell, with its own home directory. All its output and all its arguments are kept. */
export class CommandLine {
  readonly directory: string;
  /** All output and all arguments, to search for secrets. */
  traces = '';
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(directory: string, environment: Readonly<Record<string, string>>) {
    this.directory = directory;
    this.#environment = environment;
  }

  static async make(environment: Readonly<Record<string, string>> = {}): Promise<CommandLine> {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-cli-'));
    return new CommandLine(directory, environment);
  }

  /** Writes a file of mode 0600 into its directory. @returns its path */
  async write(name: string, text: string): Promise<string> {
    const path = join(this.directory, name);
    await writeFile(path, text, { mode: 0o600 });
    return path;
  }

  begin(...words: readonly string[]): ChildProcessWithoutNullStreams {
    this.traces += `${words.join(' ')}\n`;
    return this.#spawn(NODE, [MAIN, ...words]);
  }

  /** Begins like `begin`, on its own terminal with standard input as the keyboard; `script` of util-linux creates it. */
  beginOnTerminal(...words: readonly string[]): ChildProcessWithoutNullStreams {
    const quoted = [NODE, MAIN, ...words].map((word) => `'${word}'`).join(' ');
    return this.#spawn('script', ['-qec', quoted, '/dev/null']);
  }

  #spawn(program: string, words: readonly string[]): ChildProcessWithoutNullStreams {
    return spawn(program, words, {
      cwd: this.directory,
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.directory,
        ...this.#environment,
      },
    });
  }

  /** Runs to the end with `stdin` piped. */
  async pipe(stdin: string, ...words: readonly string[]): Promise<Ran> {
    return this.#end(this.begin(...words), stdin);
  }

  /** Runs like `run`, with a shell redirection. */
  async redirected(redirection: string, ...words: readonly string[]): Promise<Ran> {
    this.traces += `${words.join(' ')}\n`;
    const line = `exec "$@" ${redirection}`;
    return this.#end(this.#spawn('sh', ['-c', line, 'sh', NODE, MAIN, ...words]), '');
  }

  async #end(child: ChildProcessWithoutNullStreams, stdin: string): Promise<Ran> {
    let [out, err] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
    child.stdin.on('error', () => undefined);
    child.stdin.end(stdin);
    const [code] = (await once(child, 'close')) as [number | null];
    this.traces += out + err;
    return { code, out, err };
  }

  async run(...words: readonly string[]): Promise<Ran> {
    return this.pipe('', ...words);
  }

  /** Runs a command that must exit with 0. @returns its output */
  async ok(...words: readonly string[]): Promise<string> {
    const { code, out, err } = await this.run(...words);
    if (code !== 0) throw new Error(`${words.join(' ')} ended with ${code}: ${err}`);
    return out;
  }

  /** The JSON output of a command that must exit with 0. */
  // oxlint-disable-next-line typescript/no-explicit-any -- shapes are the API's, whose tests check them
  async json(...words: readonly string[]): Promise<any> {
    return JSON.parse(await this.ok(...words, '-o', 'json')) as unknown;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}
