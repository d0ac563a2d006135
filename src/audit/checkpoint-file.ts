import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomId } from '../crypto/random.ts';

/** The last checkpoint, kept where a copy of the store does not reach: what shows that a store was rolled back. */
export interface CheckpointFile {
  /** The note, or undefined when there is no file. */
  read(): Promise<string | undefined>;
  /** Durable when it resolves; a reader sees the old note or the new one. */
  write(note: string): Promise<void>;
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** A file outside the store's directory. */
export function checkpointFile(path: string): CheckpointFile {
  // Replicas may share the file: one that was paused while another took over must not write into the other's draft.
  const next = `${path}.${randomId('next')}`;
  return {
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(note) {
      const file = await open(next, 'w', 0o600);
      try {
        await file.writeFile(note);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(next, path);
      await syncDirectory(dirname(path));
    },
  };
}
