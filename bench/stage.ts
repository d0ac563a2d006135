import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The servers and files of a run. They are closed in reverse order, also after a failure. */
export class Stage {
  readonly directory: string;
  readonly #endings: (() => Promise<unknown>)[] = [];

  private constructor(directory: string) {
    this.directory = directory;
    this.onEnd(() => rm(directory, { recursive: true, force: true }));
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'quaymaster-bench-')));
  }

  onEnd(ending: () => Promise<unknown>): void {
    this.#endings.push(ending);
  }

  /** Registers an object that has its own `stop`. */
  async own<T extends { readonly stop: () => Promise<unknown> }>(started: Promise<T>): Promise<T> {
    const owned = await started;
    this.onEnd(() => owned.stop());
    return owned;
  }

  async write(name: string, text: string): Promise<string> {
    const file = join(this.directory, name);
    await writeFile(file, text, { mode: 0o600 });
    return file;
  }

  async end(): Promise<void> {
    for (let ending = this.#endings.pop(); ending !== undefined; ending = this.#endings.pop()) {
      await ending().catch((error: unknown) => console.error(error));
    }
  }
}
