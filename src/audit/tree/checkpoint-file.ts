import { readFile } from 'node:fs/promises';
import { writeDurably } from '../durable-file.ts';

/** The last checkpoint, in a file outside the store that no copy of the store includes. It shows that a store was rolled back. */
export interface CheckpointFile {
  /** The note; undefined if there is no file. */
  read(): Promise<string | undefined>;
  /** The note is durable when it resolves. A reader sees the old note or the new one, never a part. */
  write(note: string): Promise<void>;
}

/** The checkpoint file at a path outside the store's directory. */
export function checkpointFile(path: string): CheckpointFile {
  return {
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    // Replicas may share the file, so each write has a draft of its own.
    write: (note) => writeDurably(path, note),
  };
}
