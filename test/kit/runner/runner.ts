import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const WORKER_MAIN = fileURLToPath(new URL('worker-main.ts', import.meta.url));

interface GlobalConfig {
  readonly maxWorkers: number;
}

interface Test {
  readonly path: string;
  readonly context: { readonly config: { readonly slowTestThreshold: number } };
}

/** Suite with everything that a worker needs to run it. */
export interface Suite {
  readonly globalConfig: GlobalConfig;
  readonly config: Test['context']['config'];
  readonly path: string;
}

/** The part of jest's TestResult that is used here. */
export interface SuiteResult {
  readonly numPendingTests: number;
  readonly perfStats: object;
  readonly skipped: boolean;
  readonly testFilePath: string;
  readonly testResults: readonly object[];
}

export interface Ran {
  readonly result: SuiteResult;
  /** True if the process may run another suite: this one left it as it was. */
  readonly isReusable: boolean;
}

/** A process that runs suites one after the other. Node itself loads their modules, each once. */
class Worker {
  readonly #environment: NodeJS.ProcessEnv;
  #process: ChildProcess | undefined;
  #latest = '';

  constructor(id: number) {
    this.#environment = { ...process.env, JEST_WORKER_ID: String(id) };
  }

  /** @throws if the process ends without a result, or ended since the suite before, which then left something that failed. */
  async run(suite: Suite): Promise<SuiteResult> {
    if (this.#process !== undefined && hasEnded(this.#process)) {
      this.#process = undefined;
      throw new Error(`the worker ended after ${this.#latest}, which left something that failed`);
    }
    this.#process ??= fork(WORKER_MAIN, {
      env: this.#environment,
      serialization: 'advanced',
      stdio: ['ignore', 2, 2, 'ipc'],
    });
    this.#latest = suite.path;
    let isReusable = false;
    try {
      const ran = await this.#send(this.#process, suite);
      ({ isReusable } = ran);
      return ran.result;
    } finally {
      if (!isReusable) await this.end();
    }
  }

  async #send(child: ChildProcess, suite: Suite): Promise<Ran> {
    const { promise, resolve, reject } = Promise.withResolvers<Ran>();
    const failed = (code: number | null, signal: string | null): void => {
      this.#process = undefined;
      reject(new Error(`the worker ended without a result: ${signal ?? `exit code ${code}`}`));
    };
    child.once('message', (answer: Ran | { readonly error: unknown }) => {
      if ('error' in answer) reject(answer.error);
      else resolve(answer);
    });
    child.once('exit', failed);
    child.send(suite);
    return promise.finally(() => child.off('exit', failed));
  }

  async end(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || hasEnded(child)) return;
    const ended = once(child, 'exit');
    child.disconnect();
    await ended;
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

/**
 * A jest runner without vm contexts. Jest's own runner evaluates all modules of each suite again: half of the processor time of the suites that start
 * no process. A worker here loads a module once. It is replaced if a suite changes the process (its arguments, listeners, open servers and timers).
 */
export default class SuiteRunner {
  readonly isSerial = false;
  readonly supportsEventEmitters = false;
  readonly #globalConfig: GlobalConfig;

  constructor(globalConfig: GlobalConfig) {
    this.#globalConfig = globalConfig;
  }

  async runTests(
    tests: readonly Test[],
    watcher: { isInterrupted(): boolean },
    onStart: (test: Test) => Promise<void>,
    onResult: (test: Test, result: SuiteResult) => Promise<void>,
    onFailure: (test: Test, error: unknown) => Promise<void>,
  ): Promise<void> {
    const { maxWorkers } = this.#globalConfig;
    const remaining = tests.values();
    const runAll = async (id: number): Promise<void> => {
      const worker = new Worker(id);
      for (const test of remaining) {
        if (watcher.isInterrupted()) return;
        const { path, context } = test;
        await onStart(test);
        try {
          const { config } = context;
          const result = await worker.run({ globalConfig: this.#globalConfig, config, path });
          await onResult(test, result);
        } catch (error) {
          await onFailure(test, error);
        }
      }
      await worker.end();
    };
    await Promise.all(Array.from({ length: maxWorkers }, (_, index) => runAll(index + 1)));
  }
}
