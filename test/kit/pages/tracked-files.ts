import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, statSync } from 'node:fs';
import { findProgram } from '../backends/find-program.ts';

/**
 * Lists the paths that are under version control and exist, from the root of the project. Without git: all that
 * `.gitignore` does not name, without names that begin with a dot.
 */
export function trackedFiles(): readonly string[] {
  const listed = findProgram('git') === null ? unignoredPaths() : trackedPaths();
  return listed.filter(
    (path) => path !== '' && statSync(path, { throwIfNoEntry: false })?.isFile() === true,
  );
}

function trackedPaths(): readonly string[] {
  return execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' }).split('\0');
}

function unignoredPaths(): readonly string[] {
  const ignored = textOf('.gitignore')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.replace(/\/$/, ''))
    .map((name) => (name.includes('/') ? name.replace(/^\//, '') : `**/${name}`));
  return globSync('**/*', { exclude: ['.git', ...ignored] }).sort();
}

/** A file as text. */
export function textOf(path: string): string {
  return readFileSync(path, 'utf8');
}
