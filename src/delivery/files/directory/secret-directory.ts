import {
  lstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  type Stats,
} from 'node:fs';
import { DeliveryError, deliveryFailure } from '../../failures.ts';
import type { RenderedFile } from '../outputs.ts';
import { FileSet, type Surroundings } from './file-set.ts';
import { CURRENT, openRoot } from './open-root.ts';
import { SupersededSets, type DirectoryDeps } from './superseded-sets.ts';
import { unlinkIfThere } from './unlink-if-there.ts';

const NEW_LINK = '..new';
/** Here while the application may not know what lies here: an agent that is killed tells the next one by it. */
const UNTOLD = '..untold';
const SET = /^\.\.set-\d+$/;
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
  readonly #path: string;
  readonly #surroundings: Surroundings;
  readonly #superseded: SupersededSets;
  #current: FileSet | undefined;

  private constructor(path: string, mode: number, deps: DirectoryDeps) {
    const { directory, isInMemory, warnings } = openRoot(path, mode);
    this.#path = path;
    this.#superseded = new SupersededSets(deps);
    this.#surroundings = { root: directory, isInMemory, directoryMode: mode };
    this.warnings = warnings;
  }

  /**
   * Takes over what an earlier process left, and clears away what it did not finish.
   * @param mode of the directory and all below. @throws DeliveryError for a directory in which others may write, or that cannot be used.
   */
  static open(path: string, mode: number, deps: DirectoryDeps): SecretDirectory {
    let opened: SecretDirectory | undefined;
    try {
      opened = new SecretDirectory(path, mode, deps);
      opened.#takeOver();
      return opened;
    } catch (error) {
      opened?.close();
      throw deliveryFailure(`${path}: cannot be used`, error);
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
    try {
      return this.#replace(files);
    } catch (error) {
      throw deliveryFailure(`${this.#path}: cannot be changed`, error);
    }
  }

  get isUntold(): boolean {
    return this.#linkAt(UNTOLD) !== undefined;
  }

  /** Nothing depends on it but what the next agent does at its start, so a volume that is full keeps nothing from being delivered or removed. */
  markUntold(isUntold: boolean): void {
    failureOf(UNTOLD, () => {
      if (isUntold) this.#point(UNTOLD, CURRENT);
      else unlinkIfThere(this.#at(UNTOLD));
    });
  }

  /** Removes superseded sets at once. The current one stays. */
  close(): void {
    this.#superseded.close();
    this.#current?.close();
    this.#surroundings.root.close();
  }

  #replace(files: readonly RenderedFile[]): Replacement {
    const former = this.#current;
    const isInPlace = former?.isInPlace === true && this.#linkAt(CURRENT) === former.name;
    const changed = files.filter((file) => !isInPlace || former.placeOf(file) === undefined);
    const before = former?.targets() ?? [];
    const wanted = new Set(files.map(({ target }) => target));
    const gone = before.filter((target) => !wanted.has(target));
    if (changed.length > 0) this.#swap(files, former);
    // What cannot be taken away keeps nothing else from being put right.
    const failures = [
      ...this.#unlinkAllBut(wanted),
      failureOf('links cannot be put there', () => this.#linkAll(files)),
    ];
    const failure = failures.find((each) => each !== undefined);
    if (failure !== undefined) throw failure;
    const all = [...changed.map(({ target }) => target), ...gone];
    return { changed: all, replaced: all.filter((target) => before.includes(target)) };
  }

  #swap(files: readonly RenderedFile[], former: FileSet | undefined): void {
    for (const { target } of files) {
      const obstacle = this.obstacle(target);
      if (obstacle !== undefined) throw new DeliveryError(`${target}: ${obstacle}`);
    }
    const set = FileSet.write(this.#surroundings, this.#freeName(), files, former);
    try {
      this.#point(CURRENT, set.name);
    } catch (error) {
      this.#superseded.end(set);
      throw error;
    }
    this.#current = set;
    if (former !== undefined) this.#superseded.add(former);
  }

  /** Files that nobody shall have any more go at once, where a superseded set lingers too. This needs no space. @returns why one did not */
  #unlinkAllBut(wanted: ReadonlySet<string>): readonly (DeliveryError | undefined)[] {
    const sets = [...this.#superseded.all, ...(this.#current === undefined ? [] : [this.#current])];
    return sets.flatMap((set) =>
      set
        .targets()
        .filter((target) => !wanted.has(target))
        .map((target) => failureOf(`${target}: cannot be taken away`, () => set.unlink(target))),
    );
  }

  #linkAll(files: readonly RenderedFile[]): void {
    const names = new Set(files.map(({ target }) => target.split('/')[0] ?? ''));
    for (const name of names) {
      if (this.#linkAt(name) === undefined) this.#point(name, `${CURRENT}/${name}`);
    }
    for (const name of readdirSync(this.#at('.'))) {
      if (!names.has(name) && this.#linkAt(name) === `${CURRENT}/${name}`) {
        unlinkIfThere(this.#at(name));
      }
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
      const isLeft = name === NEW_LINK || (SET.test(name) && name !== current);
      if (isLeft && this.#isOurs(name)) rmSync(this.#at(name), { recursive: true, force: true });
    }
    if (current === undefined || this.#stat(current)?.isDirectory() !== true) return;
    if (this.#isOurs(current)) this.#current = FileSet.takeOver(this.#surroundings.root, current);
  }

  #isOurs(name: string): boolean {
    return this.#stat(name)?.uid === process.geteuid?.();
  }

  #stat(name: string): Stats | undefined {
    return lstatSync(this.#at(name), { throwIfNoEntry: false });
  }

  /** Puts a link there by one rename, over what was there before. */
  #point(name: string, to: string): void {
    try {
      unlinkIfThere(this.#at(NEW_LINK));
      symlinkSync(to, this.#at(NEW_LINK));
      renameSync(this.#at(NEW_LINK), this.#at(name));
    } catch (error) {
      throw deliveryFailure(`${name}: cannot be put there`, error);
    }
  }

  /** Where a link points; `''` for something else; nothing where nothing is. */
  #linkAt(name: string): string | undefined {
    const found = this.#stat(name);
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

function failureOf(what: string, work: () => void): DeliveryError | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return deliveryFailure(what, error);
  }
}
