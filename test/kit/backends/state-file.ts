import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from './cache.ts';
import type { Backends } from './fleet.ts';
import { isRunning, type Footprint } from './footprint.ts';

/** Where `npm run backends start` says what it left running: `QM_BACKENDS_FILE`, else a fixed place in the cache. */
export function stateFile(): string {
  const chosen = process.env['QM_BACKENDS_FILE'] ?? '';
  return chosen === '' ? join(cacheDirectory(), 'running.json') : chosen;
}

/** All that was left running, though parts of it may have ended since. */
export async function readRecorded(): Promise<Partial<Backends>> {
  try {
    return JSON.parse(await readFile(stateFile(), 'utf8')) as Partial<Backends>;
  } catch {
    return {};
  }
}

/** The backends left running whose processes are all alive. */
export async function readRunning(): Promise<Partial<Backends>> {
  const entries: [string, Footprint][] = Object.entries(await readRecorded());
  return Object.fromEntries(entries.filter(([, backend]) => isRunning(backend)));
}

/** Replaces the record of what is left running. It holds root credentials of test servers, so its owner alone reads it. */
export async function writeRunning(backends: Partial<Backends>): Promise<void> {
  await mkdir(dirname(stateFile()), { recursive: true });
  const draft = `${stateFile()}.${process.pid}`;
  await writeFile(draft, JSON.stringify(backends, null, 2), { mode: 0o600 });
  await rename(draft, stateFile());
}
