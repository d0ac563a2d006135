import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import type { Clock } from '../../../ports/clock.ts';
import type { Log } from '../../../ports/log.ts';
import type { ExecSettings } from '../../settings/settings.ts';
import { codeOf } from '../../failures.ts';

type Environment = Record<string, string | undefined>;

/** Exit codes of a shell for a program that does not exist or cannot be executed (POSIX, "Exit Status for Commands"). */
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;
const SIGNAL_BASE = 128;
const ENDING: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT', 'SIGQUIT'];

export interface ChildDeps {
  readonly command: readonly string[];
  readonly settings: Pick<ExecSettings, 'stopSignal' | 'stopAfter'>;
  readonly clock: Clock;
  readonly log: Pick<Log, 'error'>;
}

/** Program that the agent runs: one process at a time, with the agent's own standard streams. */
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

  /** The exit code of the program when it has ended and is not restarted. As in a shell, 128 and the number of the signal that ended it. */
  get exit(): Promise<number> {
    return this.#exit.promise;
  }

  start(environment: Environment): void {
    this.#gone = this.#run(environment).then((code) => {
      this.#process = undefined;
      if (!this.#isReplacing) this.#exit.resolve(code);
      return code;
    });
  }

  /** Forwards a signal. After one that ends programs, the child is not restarted. @returns why it could not be sent, as a code */
  signal(signal: NodeJS.Signals): string | undefined {
    if (ENDING.includes(signal)) this.#isEnding = true;
    return this.#kill(signal);
  }

  /** Ends the program and starts it with another environment. @returns why it still runs unchanged, as a code */
  async restart(environment: () => Environment): Promise<string | undefined> {
    if (this.#isEnding || this.#process === undefined) return undefined;
    const next = environment();
    this.#isReplacing = true;
    const failure = await this.#stop();
    this.#isReplacing = false;
    if (failure === undefined) this.#startUnlessEnding(next, await this.#gone);
    return failure;
  }

  /** The child may have got a signal to end while it was being replaced. */
  #startUnlessEnding(environment: Environment, code: number): void {
    if (this.#isEnding) this.#exit.resolve(code);
    else this.start(environment);
  }

  /** Stops it for good, also during a restart. @returns why it still runs, as a code */
  async end(): Promise<string | undefined> {
    this.#isEnding = true;
    return this.#stop();
  }

  /** Sends the stop signal, and kills the program after the time limit. @returns why that is not possible, as a code */
  async #stop(): Promise<string | undefined> {
    const { clock, settings } = this.#deps;
    const failure = this.#kill(settings.stopSignal);
    if (failure !== undefined) return failure;
    const refused = Promise.withResolvers<string>();
    const cancel = clock.after(settings.stopAfter, () => {
      const why = this.#kill('SIGKILL');
      if (why !== undefined) refused.resolve(why);
    });
    const outcome = await Promise.race([this.#gone, refused.promise]);
    cancel();
    return typeof outcome === 'string' ? outcome : undefined;
  }

  /** @returns its exit code */
  async #run(environment: Environment): Promise<number> {
    const [program = '', ...words] = this.#deps.command;
    const { promise, resolve } = Promise.withResolvers<number>();
    try {
      const child = spawn(program, words, { stdio: 'inherit', shell: false, env: environment });
      this.#process = child;
      child.once('exit', (code, signal) => resolve(exitCode(code, signal)));
      // A signal that is not permitted also emits an error, although the process runs on.
      child.on('error', (error) => {
        if (child.pid === undefined) resolve(this.#notStarted(error));
      });
    } catch (error) {
      // spawn throws errors that libuv does not expect at a start: E2BIG, ENOMEM.
      return this.#notStarted(error);
    }
    return promise;
  }

  #notStarted(error: unknown): number {
    const code = codeOf(error);
    const reason = code === 'E2BIG' ? 'its environment is too large; use files' : code;
    this.#deps.log.error({ error: reason }, 'the program cannot be started');
    return code === 'ENOENT' ? NOT_FOUND : NOT_EXECUTABLE;
  }

  #kill(signal: NodeJS.Signals): string | undefined {
    const child = this.#process;
    const failures: unknown[] = [];
    const record = (error: unknown): void => void failures.push(error);
    // Emitted before `kill` returns. A process that has just ended is not an error.
    child?.on('error', record).kill(signal);
    child?.off('error', record);
    if (failures.length === 0) return undefined;
    const remedy = 'it runs as another user: the agent needs CAP_KILL';
    this.#deps.log.error({ signal, error: remedy }, 'the program cannot be signalled');
    return 'signal_not_allowed';
  }
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return signal === null ? (code ?? 0) : SIGNAL_BASE + constants.signals[signal];
}
