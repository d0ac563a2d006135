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
import { FileSet, type SetDirectory } from './file-set.ts';
import { CURRENT, openRoot } from './open-root.ts';
import { SupersededSets, type DirectoryDeps } from './superseded-sets.ts';
import { unlinkIfExists } from './write-file.ts';

const NEW_LINK = '..new';
/** Exists while a notification of the application is pending: if the agent is killed, the next agent finds it. Part of the stored layout. */
const NOTIFICATION_PENDING = '..untold';
const SET = /^\.\.set-\d+$/;

export interface Replacement {
  /** Targets with new bytes or permissions, and removed ones. */
  readonly changed: readonly string[];
  /** Written files that existed before. */
  readonly replaced: readonly string[];
}

/**
 * The files of the agent, in the layout of a Secret's volume: `db.json` is a link to `..data/db.json`, and `..data` is a link to one complete set. One
 * rename of that link changes all files at once: a reader never sees half a file, and a reader that opens `..data` first sees one consistent set.
 * Renaming each file by itself would show a new certificate beside an old key.
 */
export class SecretDirectory {
  /** Warnings for the operator about the directory, as sentences. */
  readonly warnings: readonly string[];
  readonly #path: string;
  readonly #place: SetDirectory;
  readonly #superseded: SupersededSets;
  #current: FileSet | undefined;

  private constructor(path: string, mode: number, deps: DirectoryDeps) {
    const { directory, isInMemory, warnings } = openRoot(path, mode);
    this.#path = path;
    this.#superseded = new SupersededSets(deps);
    this.#place = { root: directory, isInMemory, directoryMode: mode };
    this.warnings = warnings;
  }

  /**
   * Takes over the current set of an earlier process, and removes unfinished ones.
   * @param mode of the directory and all below. @throws DeliveryError for a directory that other users may write, or that cannot be used.
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

  /** Gives the reason why a target cannot be written: an entry that the agent did not create. Undefined if nothing is in the way. */
  obstacle(target: string): string | undefined {
    const [name = ''] = target.split('/');
    const link = this.#linkAt(name);
    if (link === undefined || link === `${CURRENT}/${name}`) return undefined;
    return 'an entry that the agent did not create is in the way: remove it';
  }

  /**
   * Replaces all files in one step; on failure none is changed. Unchanged files are not written again.
   * @throws DeliveryError.
   */
  replace(files: readonly RenderedFile[]): Replacement {
    try {
      return this.#replace(files);
    } catch (error) {
      throw deliveryFailure(`${this.#path}: cannot be changed`, error);
    }
  }

  get isNotificationPending(): boolean {
    return this.#linkAt(NOTIFICATION_PENDING) !== undefined;
  }

  /**
   * Records a pending notification. Only the next agent uses it at its start, so failures are ignored: a full volume must not
   * stop deliveries or removals.
   */
  setNotificationPending(isPending: boolean): void {
    failureOf(NOTIFICATION_PENDING, () => {
      if (isPending) this.#point(NOTIFICATION_PENDING, CURRENT);
      else unlinkIfExists(this.#at(NOTIFICATION_PENDING));
    });
  }

  /** Removes superseded sets at once. The current one stays. */
  close(): void {
    this.#superseded.close();
    this.#current?.close();
    this.#place.root.close();
  }

  #replace(files: readonly RenderedFile[]): Replacement {
    const former = this.#current;
    const isInPlace = former?.isInPlace === true && this.#linkAt(CURRENT) === former.name;
    const changed = files.filter((file) => !isInPlace || former.placeOf(file) === undefined);
    const before = former?.targets() ?? [];
    const wanted = new Set(files.map(({ target }) => target));
    const gone = before.filter((target) => !wanted.has(target));
    if (changed.length > 0) this.#swap(files, former);
    // A failed removal must not block the other changes.
    const failures = [
      ...this.#unlinkAllBut(wanted),
      failureOf('links cannot be created', () => this.#linkAll(files)),
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
    const set = FileSet.write(this.#place, this.#freeName(), files, former);
    try {
      this.#point(CURRENT, set.name);
    } catch (error) {
      this.#superseded.end(set);
      throw error;
    }
    this.#current = set;
    if (former !== undefined) this.#superseded.add(former);
  }

  /** Revoked files are removed at once, also from superseded sets that still exist. This needs no space. @returns the failures */
  #unlinkAllBut(wanted: ReadonlySet<string>): readonly (DeliveryError | undefined)[] {
    const sets = [...this.#superseded.all, ...(this.#current === undefined ? [] : [this.#current])];
    return sets.flatMap((set) =>
      set
        .targets()
        .filter((target) => !wanted.has(target))
        .map((target) => failureOf(`${target}: cannot be removed`, () => set.unlink(target))),
    );
  }

  #linkAll(files: readonly RenderedFile[]): void {
    const names = new Set(files.map(({ target }) => target.split('/')[0] ?? ''));
    for (const name of names) {
      if (this.#linkAt(name) === undefined) this.#point(name, `${CURRENT}/${name}`);
    }
    for (const name of readdirSync(this.#at('.'))) {
      if (!names.has(name) && this.#linkAt(name) === `${CURRENT}/${name}`) {
        unlinkIfExists(this.#at(name));
      }
    }
  }

  #takeOver(): void {
    const current = this.#linkAt(CURRENT);
    if (current !== undefined && !SET.test(current)) {
      throw new DeliveryError(
        `${CURRENT}: an entry that the agent did not create is in the way: remove it`,
      );
    }
    for (const name of readdirSync(this.#at('.'))) {
      const isLeft = name === NEW_LINK || (SET.test(name) && name !== current);
      if (isLeft && this.#isOurs(name)) rmSync(this.#at(name), { recursive: true, force: true });
    }
    if (current === undefined || this.#stat(current)?.isDirectory() !== true) return;
    if (this.#isOurs(current)) this.#current = FileSet.takeOver(this.#place.root, current);
  }

  #isOurs(name: string): boolean {
    return this.#stat(name)?.uid === process.geteuid?.();
  }

  #stat(name: string): Stats | undefined {
    return lstatSync(this.#at(name), { throwIfNoEntry: false });
  }

  /** Creates or replaces a link by one rename. */
  #point(name: string, to: string): void {
    try {
      unlinkIfExists(this.#at(NEW_LINK));
      symlinkSync(to, this.#at(NEW_LINK));
      renameSync(this.#at(NEW_LINK), this.#at(name));
    } catch (error) {
      throw deliveryFailure(`${name}: cannot be created`, error);
    }
  }

  /** The target of a link; `''` for any other entry; undefined if there is none. */
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
    return this.#place.root.at(name);
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
