import { open } from 'node:fs/promises';
import { BrokerError } from '../domain/errors.ts';

const MAX_BYTES = 1024 * 1024;

/** A small text file that other programs replace. It is read again when it was replaced; each call costs one stat. */
export class WatchedFile {
  readonly #path: string;
  #seen = '';
  #text = '';

  constructor(path: string) {
    this.#path = path;
  }

  /** @throws ERR_PROVIDER_UNAVAILABLE if the file cannot be read or is longer than 1 MiB. */
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
