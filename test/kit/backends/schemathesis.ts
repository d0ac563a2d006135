import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { installedDirectory, installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { SCHEMATHESIS } from './recipes.ts';

/** Schemathesis: a program without a server, which generates requests from a contract and judges the answers by it. */
export type Schemathesis = Footprint;

/** Creates a working directory for Schemathesis. */
export async function startSchemathesis(): Promise<Running<Schemathesis>> {
  installedProgram(SCHEMATHESIS);
  const directory = await createDataDirectory('schemathesis');
  return startIn(directory, (processes) =>
    Promise.resolve({ version: SCHEMATHESIS.version, processes, directory }),
  );
}

/** Runs it to its end. @returns its exit code and its report */
export function runSchemathesis(
  { directory }: Schemathesis,
  args: readonly string[],
): Promise<{ readonly code: number; readonly report: string }> {
  // As a module: the script of a virtual environment contains the directory in which it was built, which was renamed since.
  const python = join(installedDirectory(SCHEMATHESIS), 'bin', 'python');
  const { promise, resolve } = Promise.withResolvers<{ code: number; report: string }>();
  execFile(
    python,
    ['-m', 'schemathesis.cli', ...args],
    { cwd: directory, maxBuffer: 64 * 1024 * 1024 },
    (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, report: stdout + stderr });
    },
  );
  return promise;
}
