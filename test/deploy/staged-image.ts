import { spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The image's user; a test that does not run as root runs everything as itself. */
const IMAGE_USER = 10001;
const isRoot = process.getuid?.() === 0;
const user = isRoot ? { uid: IMAGE_USER, gid: IMAGE_USER } : {};

/** The outcome of a run of the program. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * The content of the last stage of the Dockerfile, in a directory that its user cannot write to, with the two volumes
 * beside it.
 */
export class StagedImage {
  readonly root = mkdtempSync(join(tmpdir(), 'qm-image-'));
  readonly data = join(this.root, 'var/lib/quaymaster');
  readonly keys = join(this.root, 'var/lib/quaymaster-keys');
  readonly #children = new Set<ChildProcess>();
  readonly #env: Readonly<Record<string, string>>;

  /** `settings` go into the environment of every run. */
  constructor(settings: (image: StagedImage) => Readonly<Record<string, string>>) {
    chmodSync(this.root, 0o755);
    mkdirSync(join(this.root, 'app'));
    cpSync(process.execPath, join(this.root, 'node'));
    for (const volume of [this.data, this.keys]) makeVolume(volume);
    this.#env = settings(this);
  }

  /** The compiled program, as the build stage creates it. */
  async build(): Promise<void> {
    const outDir = join(this.root, 'app/dist');
    const { code, output } = await ended(spawn(process.execPath, ['scripts/bundle.ts', outDir]));
    if (code !== 0) throw new Error(output);
  }

  /** Runs a verb to its end, as a container's arguments would. */
  run(...args: readonly string[]): Promise<Ended> {
    return ended(this.start(...args));
  }

  /** Starts a verb that keeps running. */
  start(...args: readonly string[]): ChildProcess {
    const program = ['--disable-sigusr1', join(this.root, 'app/dist/quaymaster.cjs'), ...args];
    const child = spawn(join(this.root, 'node'), program, {
      cwd: '/',
      env: { NODE_ENV: 'production', ...this.#env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    return child;
  }

  /** Stops what still runs, and removes all of it. */
  async remove(): Promise<void> {
    for (const child of this.#children) {
      child.kill('SIGKILL');
      await ended(child);
    }
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Waits for the end of the process. @returns its outcome, with all its output */
export async function ended(child: ChildProcess): Promise<Ended> {
  const { promise, resolve } = Promise.withResolvers<Ended>();
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.once('error', (error) => resolve({ code: null, output: String(error) }));
  child.once('close', (code) => resolve({ code, output }));
  return promise;
}

/** A volume as a kubelet prepares it with `fsGroup`: root's, open to the group, whose children inherit it. */
function makeVolume(path: string): void {
  mkdirSync(path, { recursive: true });
  if (isRoot) chownSync(path, 0, IMAGE_USER);
  chmodSync(path, 0o2775);
}
