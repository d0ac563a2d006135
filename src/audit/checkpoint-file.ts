import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { randomId } from '../crypto/random.ts';
import { syncDirectory } from './durable-file.ts';

/** The last checkpoint, in a file outside the store that no copy of the store includes. It shows that a store was rolled back. */
export interface CheckpointFile {
  /** The note; undefined if there is no file. */
  read(): Promise<string | undefined>;
  /** The note is durable when it resolves. A reader sees the old note or the new one, never a part. */
  write(note: string): Promise<void>;
}

/** A file outside the store's directory. */
export function checkpointFile(path: string): CheckpointFile {
  // Replicas may share the file. A replica that was paused while another took over must not write into the other's draft.
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
