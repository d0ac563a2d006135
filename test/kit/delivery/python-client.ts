import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL('../../../clients/python/', import.meta.url));

/** Begins each program: `session(...)`, `say` prints a line, `ask` prints a line and waits for the test, `failure` prints an error. */
const PRELUDE = `
import http.client, os, sys, time, traceback
from quaymaster import *

def session(url=None, **more):
    more.setdefault("token_file", os.environ["TOKEN_FILE"])
    return WorkloadSession(url or os.environ["URL"], cluster="c1", **more)

def say(*words):
    print(*words, flush=True)

def ask(*words):
    say(*words)
    input()

def failure(error):
    say(type(error).__name__, getattr(error, "code", None) or getattr(error, "reason", None))
    if "TRACE" in os.environ:
        say("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
`;

/** The wheel of the client for Python, and programs that use it. */
export class PythonClient {
  readonly #python: string;
  readonly #directory: string;
  readonly #wheel: string;

  private constructor(python: string, directory: string, wheel: string) {
    this.#python = python;
    this.#directory = directory;
    this.#wheel = wheel;
  }

  static async build(python: string): Promise<PythonClient> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-python-'));
    const { stdout } = await run(python, [join(FOLDER, 'build_wheel.py'), directory]);
    return new PythonClient(python, directory, join(directory, stdout.trim()));
  }

  get environment(): Readonly<Record<string, string>> {
    // Python imports from a wheel directly, because it is a ZIP archive.
    return { PYTHONPATH: this.#wheel, PYTHONDONTWRITEBYTECODE: '1' };
  }

  /** Runs the package's own tests. @returns their report. */
  async unitTests(): Promise<string> {
    const words = ['-m', 'unittest', 'discover', '--start-directory', join(FOLDER, 'tests')];
    const env = { ...process.env, ...this.environment };
    return (await run(this.#python, words, { cwd: this.#directory, env })).stderr;
  }

  /** Runs a program to its end. `answer` acts on each line of its output; then the program continues. @returns all its output. */
  async run(
    program: string,
    environment: Readonly<Record<string, string>>,
    answer: (line: string) => Promise<void> = () => Promise.resolve(),
  ): Promise<readonly string[]> {
    const child = spawn(this.#python, ['-c', PRELUDE + program], {
      cwd: this.#directory,
      env: { PATH: process.env['PATH'], ...this.environment, ...environment },
    });
    const closed = once(child, 'close');
    child.stdin.on('error', () => undefined);
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const lines: string[] = [];
    try {
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(line);
        await answer(line);
        child.stdin.write('\n');
      }
    } catch (error) {
      child.kill();
      throw error;
    }
    const [code] = (await closed) as [number | null];
    return [...lines, ...(code === 0 ? [] : [errors, `exit ${code}`])];
  }

  async remove(): Promise<void> {
    await rm(this.#directory, { recursive: true });
  }
}
