import { readFile, stat } from 'node:fs/promises';
import { parseJson } from '../../net/https/parse-json.ts';
import { MAX_JWKS_BYTES } from './jwks-source.ts';
import type { JwksSource } from './jwks-source.ts';

/** A key set in a file that an operator keeps up to date, for API servers that the broker cannot reach. */
export class FileJwks implements JwksSource {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  async fetch(signal: AbortSignal): Promise<unknown> {
    const { size } = await stat(this.#path);
    if (size > MAX_JWKS_BYTES) throw new Error('the file is longer than 512 KiB');
    return parseJson(await readFile(this.#path, { signal }));
  }

  close(): void {
    // Nothing is open between reads.
  }
}
