import { spawn, execFile, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { dump } from 'js-yaml';
import { loadConfig } from '../../../src/program/config/load.ts';
import { initialise } from '../../../src/program/installation/initialise.ts';
import { runAuditExport } from '../../../src/program/verbs/audit-export.ts';
import { runAuditVerify } from '../../../src/program/verbs/audit-verify.ts';
import { systemClock } from '../../../src/process/clock.ts';
import { createLog } from '../../../src/process/log.ts';
import { freePort } from '../backends/free-port.ts';
import type { Host } from '../network/network-namespaces.ts';
import { eventually } from '../time/eventually.ts';

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL('../../../dist/quaymaster.cjs', import.meta.url));
/** The project's Node, even if another Node started the test runner. */
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));

const PATIENCE_MS = 120_000;
/** No broker is ready earlier, and each question before costs more than a millisecond of processor time. */
const FASTEST_START_MS = 150;

/** Seconds that an operator's token lives: with a fast clock, a broker is hours older within minutes. */
const LIFE = 30 * 86_400;

/** V8's code of the program, for all installations: compiling takes a fifth of each start. Node keys it by content. */
const COMPILED = join(tmpdir(), 'quaymaster-compiled');

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

interface Request {
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A separate broker: the built program as a process, with its own files in a temporary directory. */
export class Installation {
  readonly directory: string;
  readonly url: string;
  readonly #port: number;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #host: Host | undefined;
  #process: ChildProcess | undefined;
  #end: Promise<number | null> = Promise.resolve(null);
  #output = '';

  private constructor(
    directory: string,
    port: number,
    environment: Readonly<Record<string, string>>,
    host: Host | undefined,
  ) {
    this.directory = directory;
    this.#port = port;
    this.url = `http://127.0.0.1:${port}`;
    this.#environment = environment;
    this.#host = host;
  }

  /** `host`: its programs run on that host of a network. */
  static async make(
    environment: Readonly<Record<string, string>> = {},
    host?: Host,
  ): Promise<Installation> {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-e2e-'));
    const port = await freePort();
    await host?.reach(port);
    return new Installation(directory, port, environment, host);
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** Writes a file of mode 0600 and returns its path. */
  async write(name: string, text: string): Promise<string> {
    await writeFile(this.file(name), text, { mode: 0o600 });
    return this.file(name);
  }

  /** Writes the configuration file: the common settings of all tests, overridden by `more`. */
  async configure(more: Readonly<Record<string, unknown>>): Promise<void> {
    await mkdir(this.file('store'), { mode: 0o700, recursive: true });
    const config = {
      listener: { host: '127.0.0.1', port: this.#port },
      store: { type: 'sqlite', path: this.file('store/quaymaster.db') },
      kek: { type: 'local-file', path: this.file('keys/kek') },
      audit: {
        origin: 'quaymaster.test/e2e',
        logKeyFile: this.file('keys/log.pem'),
        checkpointFile: this.file('keys/checkpoint'),
        sinks: [{ type: 'file', path: this.file('audit.jsonl') }],
        // Tests read the entry of each refusal, so none is counted into a summary.
        denials: { entriesPerWindow: 10_000 },
      },
      ...more,
    };
    await this.write('config.yaml', dump(config));
  }

  /** Runs a verb of the program to its end. Rejects if it fails. */
  verb(...words: readonly string[]): Promise<string> {
    return this.verbBelow([], ...words);
  }

  /** Runs a verb as the child of another program, such as strace. */
  verbBelow(parent: readonly string[], ...words: readonly string[]): Promise<string> {
    return this.#run(words, parent);
  }

  async #run(
    words: readonly string[],
    parent: readonly string[] = [],
    environment: Readonly<Record<string, string>> = {},
  ): Promise<string> {
    const [first = '', ...more] = parent;
    const [node, own] = this.#commandLine([MAIN, ...words]);
    const [command, args] = first === '' ? [node, own] : [first, [...more, node, ...own]];
    const { stdout } = await run(command, args, {
      env: {
        ...process.env,
        NODE_COMPILE_CACHE: COMPILED,
        ...this.#environment,
        ...environment,
      },
    });
    return stdout;
  }

  /** False: it has variables or a host of its own. Otherwise the test itself can do what a verb does, for a tenth of the processor time of a process. */
  #isUsual(environment: Readonly<Record<string, string>> = {}): boolean {
    const variables = { ...this.#environment, ...environment };
    return Object.keys(variables).length === 0 && this.#host === undefined;
  }

  /**
   * Initialises it as `init` does.
   * @returns the token that was issued.
   */
  async initialise(environment: Readonly<Record<string, string>> = {}): Promise<string> {
    const file = this.file(`operator-${Math.random().toString(36).slice(2)}.token`);
    const config = this.file('config.yaml');
    if (this.#isUsual(environment)) {
      const deps = { clock: systemClock, log: createLog({ level: 'warn', clock: systemClock }) };
      await initialise(await loadConfig(config), { tokenFile: file, tokenTtlSeconds: LIFE }, deps);
    } else {
      const options = ['--token-ttl', `${LIFE}s`, '--token-file', file];
      await this.#run(['init', '--config', config, ...options], [], environment);
    }
    return (await readFile(file, 'utf8')).trim();
  }

  /**
   * Exports the log of the stopped broker and verifies it, as `audit export` and `audit verify` do. Rejects if a part of it is damaged or does not verify.
   * @returns the report
   */
  async verifiedLog({ checkpoint }: { readonly checkpoint?: string } = {}): Promise<string> {
    const target = this.file(`export-${Math.random().toString(36).slice(2)}`);
    const config = this.file('config.yaml');
    if (!this.#isUsual()) {
      await this.verb('audit', 'export', target, '--config', config);
      const anchor = checkpoint === undefined ? [] : ['--checkpoint', checkpoint];
      return this.verb('audit', 'verify', target, ...anchor);
    }
    const { damage } = await runAuditExport(target, { config }, { progress: () => undefined });
    const options = checkpoint === undefined ? {} : { checkpoint };
    const { holds, text } = await runAuditVerify(target, options, () => undefined);
    if (!holds || damage.length > 0) throw new Error([text, ...damage].join('\n'));
    return text;
  }

  /** Starts the broker, or another program with the same configuration, and waits until it is ready. */
  async start(program: readonly string[] = [MAIN, 'serve']): Promise<void> {
    const words = ['--disable-sigusr1', ...program, '--config', this.file('config.yaml')];
    const [command, args] = this.#commandLine(words);
    const child = spawn(command, args, {
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILED, ...this.#environment },
      stdio: 'pipe',
    });
    this.#process = child;
    this.#end = once(child, 'exit').then(([code]) => code as number | null);
    child.stdout.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    await this.#ready(child);
  }

  #commandLine(words: readonly string[]): readonly [string, readonly string[]] {
    const line = [NODE, ...words];
    const [command = '', ...args] = this.#host?.command(line) ?? line;
    return [command, args];
  }

  /**
   * Waits until the broker is ready. On a busy machine a start takes many seconds. A test has its own limit, and a broker that
   * never becomes ready must not outlive the test.
   */
  async #ready(child: ChildProcess): Promise<void> {
    const begun = performance.now();
    for (let waited = FASTEST_START_MS; waited < PATIENCE_MS; waited = performance.now() - begun) {
      await pause(waited === FASTEST_START_MS ? waited : Math.min(waited / 4, 250));
      if (hasEnded(child)) throw new Error(`the broker ended: ${this.#output}`);
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.status === 200) return;
    }
    await this.stop('SIGKILL');
    throw new Error(`the broker is not ready: ${this.#output}`);
  }

  /** The output of the process. */
  get output(): string {
    return this.#output;
  }

  /** Closes the reader of its standard output, as `head` does after some lines. */
  closeOutput(): void {
    this.#process?.stdout?.destroy();
  }

  /** Stops reading its standard output, as a log collector does that hangs. */
  pauseOutput(): void {
    this.#process?.stdout?.pause();
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** Sends a signal and waits for the end. @returns the exit code. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.signal(signal);
    return this.ended();
  }

  /** Sends a signal without waiting. */
  signal(signal: NodeJS.Signals): void {
    if (this.#process !== undefined && !hasEnded(this.#process)) this.#process.kill(signal);
  }

  /** Waits until the process has ended, for any reason. @returns the exit code; null after a signal, or if nothing was started. */
  async ended(): Promise<number | null> {
    return this.#end;
  }

  async remove(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends one request. @returns the answer's JSON, empty if it has none. */
  async call(method: string, path: string, request: Request = {}): Promise<Answer> {
    const { token, body, headers = {} } = request;
    const response = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...headers,
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return {
      status: response.status,
      headers: response.headers,
      json: (isJson && text !== '' ? JSON.parse(text) : {}) as Record<string, unknown>,
    };
  }

  /**
   * Sends one request, and repeats it while the answer is ERR_BUSY, with which nothing has happened. The patience of a broker for the changes of others is
   * 5 seconds of its clock: a broker with a fast clock on a busy machine needs clients that repeat, as real clients do.
   */
  async callUntilTaken(method: string, path: string, request: Request = {}): Promise<Answer> {
    return eventually(`${method} ${path} is taken`, async () => {
      const answer = await this.call(method, path, request);
      return answer.json['code'] === 'ERR_BUSY' ? undefined : answer;
    });
  }

  /** Creates a document. */
  async create(token: string, path: string, body: unknown): Promise<void> {
    const answer = await this.callUntilTaken('PUT', `/api/v1${path}`, {
      token,
      body,
      headers: { 'if-none-match': '*' },
    });
    if (answer.status !== 201)
      throw new Error(`PUT ${path}: ${answer.status} ${JSON.stringify(answer.json)}`);
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
