import { readFile } from 'node:fs/promises';
import type { CheckpointStorage } from '../../ports/checkpoint-storage.ts';
import { writeDurably } from '../base/durable-file.ts';

/** The checkpoint file at a path outside the store's directory. */
export function checkpointFile(path: string): CheckpointStorage {
  return {
    name: path,
    async read() {
      try {
        return await readFile(path, 'utf8');
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async write(note) {
      // Replicas may share the file, so each write has a draft of its own.
      await writeDurably(path, note);
      return undefined;
    },
  };
}
