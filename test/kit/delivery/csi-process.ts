import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dump } from 'js-yaml';
import { freePort } from '../backends/free-port.ts';
import { until } from '../backends/until.ts';
import { CsiDriver, type Mounted } from './csi-driver.ts';
import type { PreparedBroker } from '../broker/prepared-broker.ts';

const MAIN = fileURLToPath(new URL('../../../dist/quaymaster.cjs', import.meta.url));
const NODE = fileURLToPath(new URL('../../../node_modules/.bin/node', import.meta.url));
/** One node: the provider as a process, and the driver that calls it. */
export class CsiProcess {
  readonly directory: string;
  readonly healthPort: number;
  readonly #broker: PreparedBroker;
  #child: ChildProcess | undefined;
  #end: Promise<number | null> = Promise.resolve(null);
  #driver: CsiDriver | undefined;
  output = '';

  private constructor(broker: PreparedBroker, directory: string, healthPort: number) {
    this.#broker = broker;
    this.directory = directory;
    this.healthPort = healthPort;
  }

  static async start(
    broker: PreparedBroker,
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<CsiProcess> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-csi-'));
    const csi = new CsiProcess(broker, directory, await freePort());
    await csi.configure(more);
    csi.run();
    await csi.ready();
    return csi;
  }

  get socket(): string {
    return join(this.directory, 'quaymaster.sock');
  }

  async configure(more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const settings = {
      socket: this.socket,
      broker: { url: this.#broker.installation.url },
      cluster: 'c1',
      health: { host: '127.0.0.1', port: this.healthPort },
      ...more,
    };
    await writeFile(join(this.directory, 'csi.yaml'), dump(settings));
  }

  run(): void {
    const words = [MAIN, 'csi-provider', '--config', join(this.directory, 'csi.yaml')];
    const child = spawn(NODE, ['--disable-sigusr1', ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '' },
    });
    this.#child = child;
    this.#end = once(child, 'exit').then(([code]) => code as number | null);
    child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
  }

  async ready(): Promise<void> {
    await until('the provider listens', async () => {
      if (this.#child?.exitCode !== null) throw new Error(`the provider ended: ${this.output}`);
      const url = `http://127.0.0.1:${this.healthPort}/healthz`;
      return (await fetch(url).catch(() => undefined))?.status === 200;
    });
  }

  /** @returns the exit code */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    this.#child?.kill(signal);
    return this.ended();
  }

  ended(): Promise<number | null> {
    return this.#end;
  }

  async remove(): Promise<void> {
    this.#driver?.close();
    await this.stop();
    await rm(this.directory, { recursive: true });
  }

  version(): Promise<unknown> {
    return this.#asking.version();
  }

  /** Calls as the driver; by default with the pod's own token. */
  mount(
    objects: unknown,
    {
      token = this.#broker.serviceAccountToken(),
      ...more
    }: {
      readonly token?: string | undefined;
      readonly attributes?: Readonly<Record<string, string>>;
    } = {},
  ): Promise<Mounted> {
    return this.#asking.mount(objects, { token, ...more });
  }

  get #asking(): CsiDriver {
    return (this.#driver ??= new CsiDriver(this.socket));
  }
}
