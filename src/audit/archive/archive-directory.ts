import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { randomId } from '../../crypto/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { ArchivePlace } from '../../ports/archive-place.ts';
import { syncDirectory } from '../checkpoint-file.ts';

/** Objects as files of a directory, mode 0600. */
export function archiveDirectory(directory: string): ArchivePlace {
  const failed = (what: string, cause: unknown): BrokerError =>
    new BrokerError('ERR_PROVIDER_UNAVAILABLE', `${directory}: ${what}: ${reasonOf(cause)}`, {
      cause,
      isDetailShown: true,
    });
  return {
    name: directory,
    async put(name, bytes) {
      const draft = join(directory, `${name}.${randomId('part')}`);
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeWhole(draft, bytes);
        await rename(draft, join(directory, name));
        await syncDirectory(directory);
      } catch (error) {
        await rm(draft, { force: true }).catch(() => undefined);
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

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
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
