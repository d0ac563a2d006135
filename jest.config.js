import { availableParallelism } from 'node:os';
import { suiteGlobs } from './test/kit/suites.ts';

/** Suites run as native ES modules in processes of their own. Node strips the types without checking them: `npm run check` does that. */
export default {
  runner: '<rootDir>/test/kit/runner/runner.ts',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {},
  roots: ['<rootDir>/test'],
  testMatch: suiteGlobs().map((glob) => glob.replace(/^!?/, '$&<rootDir>/')),
  globalSetup: '<rootDir>/test/kit/backends/global-setup.ts',
  globalTeardown: '<rootDir>/test/kit/backends/global-teardown.ts',
  reporters: ['default', '<rootDir>/test/kit/backends/left-out-reporter.ts'],
  // Ends a test that hangs. On a busy machine a start takes many seconds, so no test is judged by its duration, and none has a shorter limit.
  testTimeout: 300_000,
  // Suites that start processes often wait, so there are more workers than cores.
  maxWorkers: Math.min(8, 1 + 2 * availableParallelism()),
};
