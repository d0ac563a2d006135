import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { tilePath, type TileAddress } from '../../crypto/log/tiles.ts';

/** Size of a full bundle of the longest entries. */
const LARGEST_FILE = 256 * (65_535 + 2);
const LONGEST_LINE = 4096;

/** Reads an export, which an attacker may have altered. It holds no more in memory than the format allows. */
export class ExportFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws Error if the file is missing or larger than any file of an export except heads.jsonl. */
  async read(path: string): Promise<Buffer> {
    const file = await open(join(this.#directory, path), 'r');
    try {
      const { size } = await file.stat();
      if (size > LARGEST_FILE) throw new Error('larger than the format allows');
      return await file.readFile();
    } finally {
      await file.close();
    }
  }

  tile(address: TileAddress): Promise<Buffer> {
    return this.read(tilePath(address));
  }

  /** @throws Error if the file is missing or a line is longer than the format allows. */
  async *lines(path: string): AsyncGenerator<string> {
    let rest = '';
    for await (const chunk of createReadStream(join(this.#directory, path), 'latin1')) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > LONGEST_LINE) throw new Error('a line is longer than the format allows');
      yield* lines;
    }
    if (rest !== '') yield rest;
  }
}
