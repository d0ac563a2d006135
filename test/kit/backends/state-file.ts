import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cacheDirectory } from './cache.ts';
import type { Backends } from './fleet.ts';
import { isRunning, type Footprint } from './footprint.ts';

/** The record of `npm run backends start` about running backends: `QM_BACKENDS_FILE`, else a fixed path in the cache. */
export function stateFile(): string {
  const chosen = process.env['QM_BACKENDS_FILE'] ?? '';
  return chosen === '' ? join(cacheDirectory(), 'running.json') : chosen;
}

/** All recorded backends, though some of their processes may have ended since. */
export async function readRecorded(): Promise<Partial<Backends>> {
  try {
    return JSON.parse(await readFile(stateFile(), 'utf8')) as Partial<Backends>;
  } catch {
    return {};
  }
}

/** Reads the backends that were left running and whose processes are all alive. */
export async function readRunning(): Promise<Partial<Backends>> {
  const entries: [string, Footprint][] = Object.entries(await readRecorded());
  return Object.fromEntries(entries.filter(([, backend]) => isRunning(backend)));
}

/** Replaces the record of running backends. It contains root credentials of test servers, so only its owner may read it. */
export async function writeRunning(backends: Partial<Backends>): Promise<void> {
  await mkdir(dirname(stateFile()), { recursive: true });
  const draft = `${stateFile()}.${process.pid}`;
  await writeFile(draft, JSON.stringify(backends, null, 2), { mode: 0o600 });
  await rename(draft, stateFile());
}
