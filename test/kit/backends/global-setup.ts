import { bundleThreads } from '../runner/bundle-threads.ts';
import { startFleet } from './fleet.ts';
import { install, isBackendInstalled } from './install.ts';
import { makeMemoryDirectory } from './memory-directory.ts';
import type { BackendName } from './recipe.ts';
import { startedHere } from './started-here.ts';
import { readRunning } from './state-file.ts';
import { wantedBackends, type RunConfig } from './wanted-backends.ts';

type Mode = 'none' | 'auto' | 'required';

function readMode(): Mode {
  const mode = process.env['BACKENDS'] ?? 'auto';
  if (mode === 'none' || mode === 'auto' || mode === 'required') return mode;
  throw new Error(`BACKENDS is none, auto or required, not ${mode}`);
}

async function startable(
  names: readonly BackendName[],
  mode: Mode,
): Promise<readonly BackendName[]> {
  if (mode === 'required') await install(names, (line) => console.error(line));
  return names.filter(isBackendInstalled);
}

/** Puts the temporary files of this run into memory: of its suites, their processes and the backends that it starts. */
function useMemory(): void {
  startedHere.directory = makeMemoryDirectory();
  if (startedHere.directory !== undefined) process.env['TMPDIR'] = startedHere.directory;
}

/**
 * Passes the backends to the run's suites (`QM_BACKENDS`, JSON): those left running by `npm run backends start`, or else new ones for this
 * run. Passes the bundles of threads to its workers (`QM_THREADS`, JSON).
 */
export default async function globalSetup(run: RunConfig): Promise<void> {
  if (process.env['TMPDIR'] === undefined) useMemory();
  process.env['QM_THREADS'] = JSON.stringify(await bundleThreads());
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
