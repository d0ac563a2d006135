import { closeSync, constants, existsSync, fstatSync, openSync, type Stats } from 'node:fs';
import { DeliveryError, codeOf } from '../../failures.ts';

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY } = constants;
const DESCRIPTORS = '/proc/self/fd';

/**
 * A directory that is held open, so that its new entries cannot land elsewhere: names are resolved from the descriptor, whatever exists at the
 * directory's path meanwhile (CVE-2020-8567). It uses `/proc/self/fd`, because Node has no `openat`.
 */
export class OpenDirectory {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Opens a directory. @param path whose last part is not a link. @throws DeliveryError that names what exists there instead. */
  static open(path: string, name: string): OpenDirectory {
    if (!existsSync(DESCRIPTORS)) {
      throw new DeliveryError(`${name}: the agent writes files only on Linux with /proc`);
    }
    try {
      return new OpenDirectory(openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    } catch (error) {
      const code = codeOf(error);
      const isOther = code === 'ENOTDIR' || code === 'ELOOP';
      throw new DeliveryError(
        `${name}: ${isOther ? 'is a link or a file, not a directory' : code}`,
      );
    }
  }

  /** The path of an entry, valid while this is open: use it in synchronous calls. */
  at(name: string): string {
    return `${DESCRIPTORS}/${this.#fd}/${name}`;
  }

  /** A directory in it that belongs to the agent. @throws DeliveryError if it belongs to another user. */
  openOwn(name: string): OpenDirectory {
    const opened = OpenDirectory.open(this.at(name), name);
    if (opened.stat().uid === process.geteuid?.()) return opened;
    opened.close();
    throw new DeliveryError(`${name}: belongs to another user`);
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
