import { startFleet } from './fleet.ts';
import { install, isBackendInstalled } from './install.ts';
import { makeMemoryDirectory } from './memory-directory.ts';
import type { BackendName } from './recipe.ts';
import { startedHere } from './started-here.ts';
import { readRunning } from './state-file.ts';
import { wantedBackends, type RunConfig } from './wanted-backends.ts';

/** `auto`: the installed backends; `available`: also those that can be installed here; `required`: all, or the run fails. */
type Mode = 'none' | 'auto' | 'available' | 'required';

function readMode(): Mode {
  const mode = process.env['BACKENDS'] ?? 'auto';
  if (mode === 'none' || mode === 'auto' || mode === 'available' || mode === 'required')
    return mode;
  throw new Error(`BACKENDS is none, auto, available or required, not ${mode}`);
}

async function startable(
  names: readonly BackendName[],
  mode: Mode,
): Promise<readonly BackendName[]> {
  const progress = (line: string): void => console.error(line);
  if (mode === 'required') await install(names, progress);
  if (mode === 'available') {
    await install(names, progress).catch((error: unknown) => progress(String(error)));
  }
  return names.filter(isBackendInstalled);
}

/** Puts the temporary files of this run into memory: of its suites, their processes and the backends that it starts. */
function useMemory(): void {
  startedHere.directory = makeMemoryDirectory();
  if (startedHere.directory !== undefined) process.env['TMPDIR'] = startedHere.directory;
}

/**
 * Passes the backends to the run's suites (`QM_BACKENDS`, JSON): those left running by `npm run backends start`, or else new ones for this
 * run.
 */
export default async function globalSetup(run: RunConfig): Promise<void> {
  if (process.env['TMPDIR'] === undefined) useMemory();
  const mode = readMode();
  const wanted = mode === 'none' ? [] : wantedBackends(run);
  const left = wanted.length === 0 ? {} : await readRunning();
  const absent = wanted.filter((name) => left[name] === undefined);
  startedHere.backends = await startFleet(await startable(absent, mode), false);
  const usable = Object.fromEntries(
    Object.entries(left).filter(([name]) => wanted.some((w) => w === name)),
  );
  process.env['QM_BACKENDS'] = JSON.stringify({ ...usable, ...startedHere.backends });
}
