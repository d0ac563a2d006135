import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

const CHUNK_WORDS = 64 * 1024;
const BLOCK_BYTES = 512;
/** Room that must be free beside the ballast before the store calls itself well, so that it does not flap. */
const HEADROOM_BYTES = 256 * 1024;
const SEED = 0x9e3779b9;

/** A file that takes up room until revocations need it on a full disk. */
export class Ballast {
  readonly #path: string;
  readonly #bytes: number;

  constructor(path: string, bytes: number) {
    this.#path = path;
    this.#bytes = bytes;
  }

  /** @returns whether there was anything to give back. */
  release(): boolean {
    if (this.#bytes === 0 || !this.#isWhole()) return false;
    rmSync(this.#path, { force: true });
    return true;
  }

  /** Takes the room again, unless it is taken. @throws the file system's error when there is none. */
  restore(): void {
    if (this.#bytes === 0 || this.#isWhole()) return;
    this.#fill(`${this.#path}.new`, this.#bytes);
    renameSync(`${this.#path}.new`, this.#path);
  }

  /** @throws the file system's error when the disk is still about full. */
  assertHeadroom(): void {
    const probe = `${this.#path}.probe`;
    this.#fill(probe, Math.min(HEADROOM_BYTES, this.#bytes));
    rmSync(probe, { force: true });
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
      for (let left = bytes, seed = SEED; left > 0; seed += 1) {
        left -= writeSync(file, incompressible(seed), 0, Math.min(left, CHUNK_WORDS * 4));
      }
    } catch (error) {
      rmSync(path, { force: true });
      throw error;
    } finally {
      closeSync(file);
    }
  }
}

/** Bytes that a compressing file system cannot make smaller (xorshift32); they are nobody's secret. */
function incompressible(seed: number): Uint8Array {
  const words = new Uint32Array(CHUNK_WORDS);
  let word = seed >>> 0 || SEED;
  for (let index = 0; index < CHUNK_WORDS; index += 1) {
    word ^= word << 13;
    word ^= word >>> 17;
    word ^= word << 5;
    words[index] = word;
  }
  return new Uint8Array(words.buffer);
}
