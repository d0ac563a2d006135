import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isOfRun } from '../suites.ts';
import { BACKEND_NAMES, type BackendName } from './recipe.ts';

/** Jest's description of the run (a part of its Config.GlobalConfig). */
export interface RunConfig {
  readonly rootDir: string;
  readonly runTestsByPath: boolean;
  readonly nonFlagArgs: readonly string[];
  readonly testPathPatterns: {
    readonly toExecutor: (options: { readonly rootDir: string }) => {
      readonly isMatch: (path: string) => boolean;
    };
  };
}

const DESCRIBE_WITH = /describeWith\(\s*\[([^\]]*)\]/g;

function namesIn(source: string): readonly BackendName[] {
  const lists = [...source.matchAll(DESCRIBE_WITH)].map((match) => match[1] ?? '');
  // A suite whose backends this pattern does not find gets all of them.
  if (lists.length === 0) return BACKEND_NAMES;
  return BACKEND_NAMES.filter((name) => lists.some((list) => list.includes(`'${name}'`)));
}

function chosenFiles({ rootDir, ...run }: RunConfig): readonly string[] {
  const files = globSync('test/**/*.real.test.ts', { cwd: rootDir })
    .filter(isOfRun)
    .map((file) => join(rootDir, file));
  if (run.runTestsByPath) {
    const paths = new Set(run.nonFlagArgs.map((path) => resolve(path)));
    return files.filter((file) => paths.has(file));
  }
  const executor = run.testPathPatterns.toExecutor({ rootDir });
  return files.filter((file) => executor.isMatch(file));
}

/** The backends that the suites of this run need: those in files named `*.real.test.ts` that the command line selects. */
export function wantedBackends(run: RunConfig): readonly BackendName[] {
  const wanted = new Set(chosenFiles(run).flatMap((file) => namesIn(readFileSync(file, 'utf8'))));
  return BACKEND_NAMES.filter((name) => wanted.has(name));
}
