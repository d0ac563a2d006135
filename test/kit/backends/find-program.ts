import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Finds the full path of a program on PATH, or null. */
export function findProgram(name: string): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const candidate = join(directory, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return null;
}
