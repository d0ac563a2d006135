import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { installedDirectory } from './cache.ts';
import { SCHEMATHESIS } from './recipes.ts';
import type { Tool } from './tool.ts';

/**
 * Starts Schemathesis without Python's search for cycles of garbage, a twelfth of its processor time. As a module: the script of a virtual environment
 * contains the directory in which it was built, which was renamed since.
 */
const START = 'import gc; gc.disable(); from schemathesis.cli import schemathesis; schemathesis()';

/**
 * The only variables that it gets. Its HTTP library searches all of them for proxies four times a request, which took a twentieth of its processor
 * time, and decides by NO_PROXY alone if the host is there.
 */
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  HOME: process.env['HOME'],
  NO_PROXY: '127.0.0.1',
};

/** Runs Schemathesis to its end. It generates requests from a contract and judges the answers by it. @returns its exit code and its report */
export function runSchemathesis(
  { directory }: Tool,
  args: readonly string[],
): Promise<{ readonly code: number; readonly report: string }> {
  const python = join(installedDirectory(SCHEMATHESIS), 'bin', 'python');
  const { promise, resolve } = Promise.withResolvers<{ code: number; report: string }>();
  execFile(
    python,
    ['-c', START, ...args],
    { cwd: directory, env: ENVIRONMENT, maxBuffer: 64 * 1024 * 1024 },
    (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : -1;
      resolve({ code, report: stdout + stderr });
    },
  );
  return promise;
}
