import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('./power-loss.c', import.meta.url));

export const canCompile = spawnSync('cc', ['--version']).status === 0;

/** Compiles the library that keeps each file of a process as it was when it was last synced. @returns its path in `directory`. */
export function compilePowerLoss(directory: string): string {
  const library = join(directory, 'power-loss.so');
  const flags = ['-shared', '-fPIC', '-O2', '-o', library, SOURCE, '-ldl'];
  const { status, stderr } = spawnSync('cc', flags);
  if (status !== 0) throw new Error(stderr.toString());
  return library;
}

/** Gives each file in the folders the contents that were last synced, and removes files that never were. */
export async function dropUnsynced(synced: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) {
    for (const name of await readdir(folder)) {
      if (existsSync(join(synced, name))) await cp(join(synced, name), join(folder, name));
      else await rm(join(folder, name));
    }
  }
}

/** Marks all files in the folders as synced: they were written long before. */
export async function keepAsSynced(synced: string, folders: readonly string[]): Promise<void> {
  for (const folder of folders) await cp(folder, synced, { recursive: true });
}
