import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchiveStorage } from '../../ports/archive-storage.ts';
import { writeDurably } from '../base/durable-file.ts';

/** Objects as files of a directory, mode 0600. */
export function archiveDirectory(directory: string): ArchiveStorage {
  const failed = (what: string, cause: unknown): BrokerError =>
    new BrokerError('ERR_PROVIDER_UNAVAILABLE', `${directory}: ${what}: ${reasonOf(cause)}`, {
      cause,
      isDetailShown: true,
    });
  return {
    name: directory,
    async put(name, bytes) {
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeDurably(join(directory, name), bytes);
      } catch (error) {
        throw failed(`the archive object ${name} could not be written`, error);
      }
    },
    async get(name, maxBytes) {
      try {
        return await readWhole(join(directory, name), maxBytes);
      } catch (error) {
        if (error instanceof BrokerError) throw error;
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw failed(`the archive object ${name} could not be read`, error);
      }
    },
  };
}

async function readWhole(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    if (size > maxBytes)
      throw new BrokerError(
        'ERR_CIPHERTEXT_INVALID',
        `${path} has ${size} bytes; an archive object has at most ${maxBytes}`,
        { isDetailShown: true },
      );
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error';
}
