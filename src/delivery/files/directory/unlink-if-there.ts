import { unlinkSync } from 'node:fs';
import { codeOf } from '../../failures.ts';

/** Not by `rmSync`, whose error has no code (Node 24.21): why a file cannot be taken away is what an operator needs. */
export function unlinkIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
