import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';

/** Lists the paths that are under version control and exist, from the root of the project. */
export function trackedFiles(): readonly string[] {
  const listed = execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' });
  return listed
    .split('\0')
    .filter((path) => path !== '' && statSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

/** A file as text. */
export function textOf(path: string): string {
  return readFileSync(path, 'utf8');
}
