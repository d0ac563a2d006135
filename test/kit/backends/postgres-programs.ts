import { readdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installedDirectory, installedProgram, isInstalled } from './cache.ts';
import { findProgram } from './find-program.ts';
import { POSTGRES, POSTGRES_15 } from './recipes.ts';

/**
 * The location of PostgreSQL's programs: `bin` within `root`. The `parts` of `root` are the whole installation; `readable` says whether the
 * server's user may enter it.
 */
export interface PostgresPrograms {
  readonly root: string;
  readonly bin: string;
  readonly parts: readonly string[];
  readonly readable: boolean;
}

const DEBIAN = '/usr/lib/postgresql';

function debianVersions(): readonly string[] {
  try {
    return readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a));
  } catch {
    return [];
  }
}

function system(root: string): PostgresPrograms {
  return { root, bin: 'bin', parts: [], readable: true };
}

/** The installed PostgreSQL: ours from the cache, else one on PATH, else Debian's newest; null if there is none. */
export function findPostgres(): PostgresPrograms | null {
  if (isInstalled(POSTGRES)) {
    return {
      root: dirname(dirname(join(installedDirectory(POSTGRES), POSTGRES.program))),
      bin: 'bin',
      // The programs find their libraries and scripts by relative paths.
      parts: ['bin', 'lib', 'share'],
      // The cache of root is under /root, which the server's user cannot enter.
      readable: process.getuid?.() !== 0,
    };
  }
  const onPath = findProgram('postgres');
  if (onPath !== null) return system(dirname(dirname(onPath)));
  const newest = debianVersions()[0];
  return newest === undefined ? null : system(join(DEBIAN, newest));
}

/** Debian's PostgreSQL 15, to which the cache has a link. @throws Error if it is not installed. */
export function findPostgres15(): PostgresPrograms {
  return system(dirname(dirname(realpathSync(installedProgram(POSTGRES_15)))));
}
