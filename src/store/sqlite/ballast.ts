import {
  closeSync,
  fdatasyncSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from '../../crypto/random/random.ts';
import type { Clock } from '../../ports/clock.ts';

const CHUNK_BYTES = 256 * 1024;
const BLOCK_BYTES = 512;
/** Free room required in addition to the ballast before the store reports healthy, so that its state does not flap. */
const HEADROOM_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
/** Syncs of one measurement; its result is their median. */
const SYNCS = 5;

/** A file that reserves disk space. The store frees it for revocations if the disk is full. */
export class Ballast {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Frees the space. @returns whether there was any to free. */
  release(): boolean {
    if (this.#bytes === 0 || !this.#isWhole()) return false;
    rmSync(this.#path, { force: true });
    return true;
  }

  /** Reserves the space again, unless it is reserved already. @throws the file system's error if there is not enough. */
  restore(): void {
    if (this.#bytes === 0 || this.#isWhole()) return;
    this.#fill(`${this.#path}.new`, this.#bytes);
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** @throws the file system's error if the disk is still almost full. */
  assertHeadroom(): void {
    const probe = `${this.#path}.probe`;
    this.#fill(probe, Math.min(HEADROOM_BYTES, this.#bytes));
    rmSync(probe, { force: true });
  }

  /** Milliseconds of a sync of this disk after one page was written; undefined without a ballast. Each write leaves the page as it was. */
  measureSync(clock: Pick<Clock, 'monotonic'>): number | undefined {
    if (this.#bytes === 0 || !this.#isWhole()) return undefined;
    const file = openSync(this.#path, 'r+');
    try {
      const page = Buffer.alloc(Math.min(PAGE_BYTES, this.#bytes));
      readSync(file, page, 0, page.length, 0);
      const times = Array.from({ length: SYNCS }, () => {
        writeSync(file, page, 0, page.length, 0);
        const begun = clock.monotonic();
        fdatasyncSync(file);
        return clock.monotonic() - begun;
      });
      return times.sort((a, b) => a - b)[Math.floor(SYNCS / 2)];
    } finally {
      closeSync(file);
    }
  }

  #isWhole(): boolean {
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    return (
      stat !== undefined && stat.size >= this.#bytes && stat.blocks * BLOCK_BYTES >= this.#bytes
    );
  }

  #fill(path: string, bytes: number): void {
    const file = openSync(path, 'w', 0o600);
    try {
      // A compressing file system cannot shrink random bytes.
      for (let left = bytes; left > 0;)
        left -= writeSync(file, randomBytes(Math.min(left, CHUNK_BYTES)));
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
  }
}
