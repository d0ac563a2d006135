import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { PROGRAM } from '../broker/dev-broker.ts';
import { until } from '../backends/until.ts';

/** A pod of the injector: the built program as a process, with its own configuration file. */
export class InjectorPod {
  readonly port: number;
  readonly #metricsPort: number;
  readonly #process: ChildProcess;
  readonly #end: Promise<number | null>;
  #output = '';

  private constructor(process: ChildProcess, ports: PodPorts) {
    this.port = ports.injector;
    this.#metricsPort = ports.metrics;
    this.#process = process;
    this.#end = once(process, 'exit').then(([code]) => code as number | null);
    for (const stream of [process.stdout, process.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
  }

  /** `args`: those of the container. */
  static start(args: readonly string[], config: string, ports: PodPorts): InjectorPod {
    const [node, ...words] = PROGRAM;
    const command = [...words, ...args, '--config', config];
    return new InjectorPod(spawn(node, command, { stdio: 'pipe' }), ports);
  }

  get output(): string {
    return this.#output;
  }

  /** The answer of its readiness probe. */
  async probe(): Promise<{ readonly status: number; readonly text: string }> {
    const answer = await fetch(`http://127.0.0.1:${this.#metricsPort}/readyz`);
    return { status: answer.status, text: await answer.text() };
  }

  async ready(): Promise<void> {
    await until('the injector is ready', async () => {
      if (this.#process.exitCode !== null) throw new Error(`the injector ended: ${this.#output}`);
      return (await this.probe().catch(() => undefined))?.status === 200;
    });
  }

  /** Sends a signal. @returns the exit code */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#process.exitCode === null) this.#process.kill(signal);
    return this.#end;
  }
}

export interface PodPorts {
  readonly injector: number;
  readonly metrics: number;
}
