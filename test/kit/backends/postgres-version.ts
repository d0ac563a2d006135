import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { it } from '@jest/globals';
import { LEFT_OUT } from './left-out.ts';
import { findPostgres } from './postgres-programs.ts';

/** `it` if the backend `postgres` has this version. Otherwise the tests are skipped, and the suite's title, which ends with `leftOut`, says so. */
export function sincePostgres(version: number): {
  readonly itSince: typeof it | typeof it.skip;
  readonly leftOut: string;
} {
  const found = findPostgres();
  const program = found === null ? 'postgres' : join(found.root, found.bin, 'postgres');
  const { stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  const major = Number(/ (\d+)/.exec(stdout)?.[1]);
  if (!(major < version)) return { itSince: it, leftOut: '' };
  return { itSince: it.skip, leftOut: ` (${LEFT_OUT}PostgreSQL ${major}, not ${version})` };
}
