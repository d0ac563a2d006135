import { matchesGlob } from 'node:path';

/** The suites of `npm test`: those without servers, and the main job on real parts (OpenBao, API server, moto for AWS, PostgreSQL). */
const FAST = [
  'test/{unit,guards,kit}/**/*.test.ts',
  'test/e2e/main-job.real.test.ts',
  'test/contract/{workload-authenticator,vault-provider,aws-provider,kubernetes-provider}{,.real}.test.ts',
  'test/contract/{postgres-rotation.real,generated-rotation,store}.test.ts',
];
const ALL = ['test/**/*.test.ts'];

/** Globs of the suites of this run; `SUITES` is `fast`, `rest` (all others) or `all`. */
export function suiteGlobs(): readonly string[] {
  const { SUITES: suites = 'all' } = process.env;
  if (suites === 'fast') return FAST;
  if (suites === 'rest') return [...ALL, ...FAST.map((glob) => `!${glob}`)];
  if (suites === 'all') return ALL;
  throw new Error(`SUITES is fast, rest or all, not ${suites}`);
}

/** Reports whether this run has the suite, a path from the root of the project. */
export function isOfRun(path: string): boolean {
  const globs = suiteGlobs();
  const without = globs.filter((glob) => glob.startsWith('!')).map((glob) => glob.slice(1));
  return (
    globs.some((glob) => matchesGlob(path, glob)) &&
    !without.some((glob) => matchesGlob(path, glob))
  );
}
