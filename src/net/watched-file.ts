import { open } from 'node:fs/promises';
import { BrokerError } from '../domain/errors.ts';

const MAX_BYTES = 1024 * 1024;

/** A small text file that others replace: read again when it is another one, which costs one stat a call. */
export class WatchedFile {
  readonly #path: string;
  #seen = '';
  #text = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE when it cannot be read or is longer than 1 MiB. */
  async text(): Promise<string> {
    try {
      await using file = await open(this.#path, 'r');
      const { ino, size, mtimeMs } = await file.stat();
      if (size > MAX_BYTES) throw new Error('the file is longer than 1 MiB');
      const seen = `${String(ino)} ${String(size)} ${String(mtimeMs)}`;
      if (seen !== this.#seen) {
        this.#text = await file.readFile('utf8');
        this.#seen = seen;
      }
      return this.#text;
    } catch (cause) {
      throw new BrokerError('ERR_PROVIDER_UNAVAILABLE', undefined, { cause });
    }
  }
}
