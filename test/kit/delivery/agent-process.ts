import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump } from 'js-yaml';
import { freePort } from '../backends/free-port.ts';
import { until } from '../backends/until.ts';
import type { PreparedBroker } from '../broker/prepared-broker.ts';

const MAIN = fileURLToPath(new URL('../../../dist/quaymaster.cjs', import.meta.url));
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg: string };

/** A pod from the agent's point of view: a token that is replaced, a directory for secrets, and the agent as a process. */
export class AgentProcess {
  readonly directory: string;
  readonly healthPort: number;
  readonly #broker: PreparedBroker;
  readonly #pod: string;
  #process: ChildProcess | undefined;
  #end: Promise<End> = Promise.resolve({ code: null, signal: null });
  #output = '';

  private constructor(
    broker: PreparedBroker,
    { directory, healthPort, pod }: { directory: string; healthPort: number; pod: string },
  ) {
    this.directory = directory;
    this.healthPort = healthPort;
    this.#broker = broker;
    this.#pod = pod;
  }

  static async make(broker: PreparedBroker, pod = 'api-0'): Promise<AgentProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'quaymaster-agent-'));
    const agent = new AgentProcess(broker, { directory, healthPort: await freePort(), pod });
    await mkdir(agent.file('secrets'), { mode: 0o700 });
    await agent.rotateToken();
    return agent;
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** Replaces the token under the same name, as the kubelet does. */
  async rotateToken(token = this.#broker.serviceAccountToken({ pod: this.#pod })): Promise<void> {
    await writeFile(this.file('token'), token, { mode: 0o600 });
  }

  async configure(more: Readonly<Record<string, unknown>>): Promise<void> {
    const settings = {
      broker: { url: this.#broker.installation.url },
      cluster: 'c1',
      tokenFile: this.file('token'),
      directory: this.file('secrets'),
      health: { port: this.healthPort },
      debounce: '1s',
      log: { level: 'debug' },
      ...more,
    };
    await writeFile(this.file('agent.yaml'), dump(settings));
  }

  /** Starts a verb with this configuration without waiting for it. */
  start(words: readonly string[] = [], more: readonly string[] = []): void {
    const all = [MAIN, 'agent', ...words, '--config', this.file('agent.yaml'), ...more];
    const child = spawn(NODE, all, {
      stdio: ['ignore', 'pipe', 'pipe'],
      // A separate process group, as in a container, so that its children end with it.
      detached: true,
      env: { PATH: process.env['PATH'] ?? '' },
    });
    this.#process = child;
    this.#output = '';
    this.#end = once(child, 'close').then(([code, signal]) => ({ code, signal }));
    child.stdout.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** Starts it and waits until all secrets are delivered. */
  async startReady(words: readonly string[] = [], more: readonly string[] = []): Promise<void> {
    this.start(words, more);
    await until('the agent is ready', async () => {
      if (this.hasEnded) throw new Error(`the agent ended: ${this.#output}`);
      return (await this.health()).ready;
    });
  }

  get hasEnded(): boolean {
    const child = this.#process;
    return child === undefined || child.exitCode !== null || child.signalCode !== null;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  /** The output of the agent and its children. */
  get output(): string {
    return this.#output;
  }

  /** Lists the lines of its log with this message. */
  logged(msg: string): readonly LogLine[] {
    return this.#output
      .split('\n')
      .filter((line) => line.startsWith('{"level"'))
      .map((line) => JSON.parse(line) as LogLine)
      .filter((line) => line.msg === msg);
  }

  async health(): Promise<{ readonly ready: boolean; readonly reasons: readonly string[] }> {
    const url = `http://127.0.0.1:${this.healthPort}/readyz`;
    const answer = await fetch(url).catch(() => undefined);
    if (answer === undefined) return { ready: false, reasons: ['not_listening'] };
    return (await answer.json()) as { ready: boolean; reasons: readonly string[] };
  }

  /** A delivered file; undefined if it does not exist. */
  async read(name: string): Promise<string | undefined> {
    return readFile(join(this.file('secrets'), name), 'utf8').catch(() => undefined);
  }

  /** Reads the key `password` of a delivered JSON file. */
  async password(name = 'db.json'): Promise<string | undefined> {
    const text = await this.read(name);
    return text === undefined
      ? undefined
      : (JSON.parse(text) as { readonly password: string }).password;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.hasEnded) this.#process?.kill(signal);
  }

  async ended(): Promise<End> {
    return this.#end;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<End> {
    this.signal(signal);
    return this.ended();
  }

  async remove(): Promise<void> {
    try {
      if (this.pid !== 0) process.kill(-this.pid, 'SIGKILL');
    } catch {
      // The whole group has ended.
    }
    await this.ended();
    await rm(this.directory, { recursive: true, force: true });
  }
}
