import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../ports/clock.ts';
import type { ExecSettings } from '../config/settings.ts';

type Environment = Record<string, string | undefined>;

/** What a shell says of a program that is not there, or may not be run (POSIX, "Exit Status for Commands"). */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNAL_BASE = 128;
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

export interface ChildDeps {
  readonly command: readonly string[];
  readonly settings: Pick<ExecSettings, 'stopSignal' | 'stopAfter'>;
  readonly clock: Clock;
}

/** The program that the agent runs: one process at a time, with the agent's own standard streams. */
export class Child {
  readonly #deps: ChildDeps;
  readonly #exit = Promise.withResolvers<number>();
  #process: ChildProcess | undefined;
  #gone: Promise<number> = Promise.resolve(0);
  #isReplacing = false;
  #isEnding = false;

  constructor(deps: ChildDeps) {
    this.#deps = deps;
  }

  /** The exit code of the program when it has ended by itself or because it was told to, as a shell says it: 128 and the signal's number. */
  get exit(): Promise<number> {
    return this.#exit.promise;
  }

  start(environment: Environment): void {
    const [program = '', ...words] = this.#deps.command;
    const child = spawn(program, words, { stdio: 'inherit', shell: false, env: environment });
    const { promise, resolve } = Promise.withResolvers<number>();
    child.once('error', (error: NodeJS.ErrnoException) =>
      resolve(error.code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE),
    );
    child.once('exit', (code, signal) => resolve(exitCode(code, signal)));
    this.#process = child;
    this.#gone = promise.then((code) => {
      this.#process = undefined;
      if (!this.#isReplacing) this.#exit.resolve(code);
      return code;
    });
  }

  /** Hands a signal of the agent on. After one that ends programs, the child is not started again. */
  signal(signal: NodeJS.Signals): void {
    if (ENDING.includes(signal)) this.#isEnding = true;
    this.#process?.kill(signal);
  }

  /** Ends the program and starts it with another environment. */
  async restart(environment: () => Environment): Promise<void> {
    if (this.#isEnding || this.#process === undefined) return;
    const next = environment();
    this.#isReplacing = true;
    const code = await this.stop();
    this.#isReplacing = false;
    this.#startUnlessEnding(next, code);
  }

  /** It may have been told to end while it was being replaced. */
  #startUnlessEnding(environment: Environment, code: number): void {
    if (this.#isEnding) this.#exit.resolve(code);
    else this.start(environment);
  }

  /** Stops it for good, also where it is just being replaced. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.stop();
  }

  /** Sends the stop signal, and kills what has not ended in time. @returns the exit code */
  async stop(): Promise<number> {
    const { stopSignal, stopAfter } = this.#deps.settings;
    const child = this.#process;
    if (child === undefined) return this.#gone;
    const cancel = this.#deps.clock.after(stopAfter, () => void child.kill('SIGKILL'));
    child.kill(stopSignal);
    const code = await this.#gone;
    cancel();
    return code;
  }
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 0) : SIGNAL_BASE + constants.signals[signal];
}
