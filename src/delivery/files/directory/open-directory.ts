import { closeSync, constants, existsSync, fstatSync, openSync, type Stats } from 'node:fs';
import { DeliveryError, codeOf } from '../../failures.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const DESCRIPTORS = '/proc/self/fd';

/**
 * A directory held open, so that what is made in it cannot land elsewhere: a name is looked up from the descriptor (`openat` semantics by way
 * of `/proc/self/fd`, because Node has no `openat`), whatever has been put at the directory's path since (CVE-2020-8567).
 */
export class OpenDirectory {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @param path whose last part is no link. @throws DeliveryError that says what is there instead. */
  static open(path: string, name: string): OpenDirectory {
    if (!existsSync(DESCRIPTORS)) {
      throw new DeliveryError(`${name}: files are delivered on Linux with /proc only`);
    }
    try {
      return new OpenDirectory(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    } catch (error) {
      const code = codeOf(error);
      const isOther = code === 'ENOTDIR' || code === 'ELOOP';
      throw new DeliveryError(`${name}: ${isOther ? 'is a link or a file, no directory' : code}`);
    }
  }

  /** The path of an entry, valid while this is open. Synchronous calls keep it so. */
  at(name: string): string {
    return `${DESCRIPTORS}/${this.#fd}/${name}`;
  }

  /** A directory in it, which must belong to the agent. @throws DeliveryError where somebody else put one there. */
  openOwn(name: string): OpenDirectory {
    const opened = OpenDirectory.open(this.at(name), name);
    if (opened.stat().uid === process.geteuid?.()) return opened;
    opened.close();
    throw new DeliveryError(`${name}: belongs to somebody else`);
  }

  get descriptor(): number {
    return this.#fd;
  }

  stat(): Stats {
    return fstatSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
