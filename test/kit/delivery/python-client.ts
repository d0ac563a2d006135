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

/** Unpacks a wheel, and prints the interpreter itself: `python3` may be a script that chooses one and takes longer than a program of a test. */
const UNPACK = `
import sys, zipfile
zipfile.ZipFile(sys.argv[1]).extractall(sys.argv[2])
print(sys.executable)
`;

/** The wheel of the client for Python, and programs that use it. */
export class PythonClient {
  readonly #python: string;
  readonly #directory: string;
  readonly #package: string;

  private constructor(python: string, directory: string, unpacked: string) {
    this.#python = python;
    this.#directory = directory;
    this.#package = unpacked;
  }

  static async build(python: string): Promise<PythonClient> {
    const directory = await mkdtemp(join(tmpdir(), 'qm-python-'));
    const { stdout: wheel } = await run(python, [join(FOLDER, 'build_wheel.py'), directory]);
    // Python would compile the modules in a wheel at each import.
    const unpacked = join(directory, 'unpacked');
    const words = ['-c', UNPACK, join(directory, wheel.trim()), unpacked];
    const { stdout: interpreter } = await run(python, words);
    return new PythonClient(interpreter.trim(), directory, unpacked);
  }

  /** Runs the package's own tests. @returns their report. */
  async unitTests(): Promise<string> {
    const words = ['-m', 'unittest', 'discover', '--start-directory', join(FOLDER, 'tests')];
    // Its bytecode would be in the checkout.
    const env = { ...process.env, PYTHONPATH: this.#package, PYTHONDONTWRITEBYTECODE: '1' };
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
      env: { PATH: process.env['PATH'], PYTHONPATH: this.#package, ...environment },
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
