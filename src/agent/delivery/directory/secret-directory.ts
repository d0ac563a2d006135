import {
  lstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import type { Clock } from '../../../ports/clock.ts';
import { DeliveryError } from '../../failures.ts';
import { codeOf } from '../code-of.ts';
import type { RenderedFile } from '../rendered-file.ts';
import { writeSet, type Surroundings } from './file-set.ts';
import { openRoot } from './open-root.ts';
import { isAlready } from './write-file.ts';

const CURRENT = '..data';
const NEW_LINK = '..new';
const SET = /^\.\.set-\d+$/;
/** A reader that resolved `..data` before the swap still finds its files so long. */
const LINGER_MS = 1_000;

export interface Replacement {
  /** Targets that got new bytes or other rights, or went away. */
  readonly changed: readonly string[];
  /** Those of them that had lain there before. */
  readonly replaced: readonly string[];
}

/**
 * The files of the agent, laid out as the kubelet lays out a Secret's volume: `db.json` is a link to `..data/db.json`, and `..data` a link to one
 * complete set. One rename of that link changes all files at once: a reader sees each file whole, and who opens `..data` first sees
 * one consistent set. Renaming each file by itself would show a new certificate beside an old key.
 */
export class SecretDirectory {
  /** What an operator should know of the place, as sentences. */
  readonly warnings: readonly string[];
  readonly #clock: Clock;
  readonly #surroundings: Surroundings;
  /** Sets that were swapped out, and how to stop waiting for their end. */
  readonly #superseded = new Map<string, () => void>();
  #current: string | undefined;

  private constructor(surroundings: Surroundings, clock: Clock, warnings: readonly string[]) {
    this.#surroundings = surroundings;
    this.#clock = clock;
    this.warnings = warnings;
  }

  /**
   * Takes over what an earlier process left, and clears away what it did not finish.
   * @param directoryMode of the directory and all below. @throws DeliveryError for a directory in which others may write.
   */
  static open(path: string, directoryMode: number, clock: Clock): SecretDirectory {
    const { directory, isInMemory, warnings } = openRoot(path, directoryMode);
    const surroundings = { root: directory, isInMemory, directoryMode };
    const opened = new SecretDirectory(surroundings, clock, warnings);
    try {
      opened.#takeOver();
      return opened;
    } catch (error) {
      directory.close();
      throw error;
    }
  }

  /** What lies where a file should go and is not ours to replace, as a sentence; nothing when the place is free. */
  obstacle(target: string): string | undefined {
    const [name = ''] = target.split('/');
    const link = this.#linkAt(name);
    if (link === undefined || link === `${CURRENT}/${name}`) return undefined;
    return 'there is something that the agent did not make: remove it';
  }

  /**
   * Makes exactly these files lie here: all of them at once, or on failure none. Those that are as they should be are not written again.
   * @throws DeliveryError.
   */
  replace(files: readonly RenderedFile[]): Replacement {
    const former = this.#current;
    const changed = files.filter(
      (file) => former === undefined || !isAlready(this.#at(`${former}/${file.target}`), file),
    );
    const before = former === undefined ? [] : this.#targetsIn(former);
    const wanted = new Set(files.map(({ target }) => target));
    const gone = before.filter((target) => !wanted.has(target));
    if (changed.length > 0) this.#swap(files, former);
    this.#unlink(gone);
    this.#linkAll(files);
    const all = [...changed.map(({ target }) => target), ...gone];
    return { changed: all, replaced: all.filter((target) => before.includes(target)) };
  }

  /** Removes superseded sets at once. The current one stays. */
  close(): void {
    for (const name of [...this.#superseded.keys()]) this.#end(name);
    this.#surroundings.root.close();
  }

  #swap(files: readonly RenderedFile[], former: string | undefined): void {
    const name = this.#freeName();
    for (const { target } of files) {
      const obstacle = this.obstacle(target);
      if (obstacle !== undefined) throw new DeliveryError(`${target}: ${obstacle}`);
    }
    writeSet(this.#surroundings, name, files, former);
    try {
      this.#point(CURRENT, name);
    } catch (error) {
      rmSync(this.#at(name), { recursive: true, force: true });
      throw error;
    }
    this.#current = name;
    if (former !== undefined) {
      this.#superseded.set(
        former,
        this.#clock.after(LINGER_MS, () => this.#end(former)),
      );
    }
  }

  /** Files that nobody shall have any more go at once, where a superseded set lingers too. This needs no space. */
  #unlink(targets: readonly string[]): void {
    const sets = [this.#current, ...this.#superseded.keys()];
    for (const set of sets) {
      for (const target of targets) rmSync(this.#at(`${set}/${target}`), { force: true });
    }
  }

  #end(name: string): void {
    this.#superseded.get(name)?.();
    this.#superseded.delete(name);
    rmSync(this.#at(name), { recursive: true, force: true });
  }

  #targetsIn(set: string): readonly string[] {
    const prefix = this.#at(set).length + 1;
    return readdirSync(this.#at(set), { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => `${entry.parentPath}/${entry.name}`.slice(prefix));
  }

  #linkAll(files: readonly RenderedFile[]): void {
    const names = new Set(files.map(({ target }) => target.split('/')[0] ?? ''));
    for (const name of names) {
      if (this.#linkAt(name) === undefined) this.#point(name, `${CURRENT}/${name}`);
    }
    for (const name of readdirSync(this.#at('.'))) {
      if (!names.has(name) && this.#linkAt(name) === `${CURRENT}/${name}`)
        unlinkSync(this.#at(name));
    }
  }

  #takeOver(): void {
    const current = this.#linkAt(CURRENT);
    if (current !== undefined && !SET.test(current)) {
      throw new DeliveryError(
        `${CURRENT}: there is something that the agent did not make: remove it`,
      );
    }
    for (const name of readdirSync(this.#at('.'))) {
      const isLeft = SET.test(name) && name !== current;
      if (isLeft || name === NEW_LINK) rmSync(this.#at(name), { recursive: true, force: true });
    }
    this.#current = current !== undefined && this.#isOurs(current) ? current : undefined;
  }

  #isOurs(name: string): boolean {
    const found = lstatSync(this.#at(name), { throwIfNoEntry: false });
    return found?.isDirectory() === true && found.uid === process.geteuid?.();
  }

  /** Puts a link there by one rename, over what was there before. */
  #point(name: string, to: string): void {
    try {
      rmSync(this.#at(NEW_LINK), { force: true });
      symlinkSync(to, this.#at(NEW_LINK));
      renameSync(this.#at(NEW_LINK), this.#at(name));
    } catch (error) {
      throw new DeliveryError(`${name}: cannot be put there: ${codeOf(error)}`);
    }
  }

  /** Where a link points; `''` for something else; nothing where nothing is. */
  #linkAt(name: string): string | undefined {
    const found = lstatSync(this.#at(name), { throwIfNoEntry: false });
    if (found === undefined) return undefined;
    return found.isSymbolicLink() ? readlinkSync(this.#at(name)) : '';
  }

  #freeName(): string {
    const taken = readdirSync(this.#at('.')).filter((name) => SET.test(name));
    const numbers = taken.map((name) => Number(name.slice('..set-'.length)));
    return `..set-${Math.max(0, ...numbers) + 1}`;
  }

  #at(name: string): string {
    return this.#surroundings.root.at(name);
  }
}
