import { availableParallelism } from 'node:os';

/** Suites run as native ES modules in processes of their own. Node strips the types without checking them: `npm run check` does that. */
export default {
  runner: '<rootDir>/test/kit/runner/runner.ts',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {},
  // Jest reads every package.json below its roots. A build of the site, which `.ci/run` runs at the same time, removes its own while Jest reads.
  roots: ['<rootDir>/test'],
  testMatch: ['**/*.test.ts'],
  globalSetup: '<rootDir>/test/kit/backends/global-setup.ts',
  globalTeardown: '<rootDir>/test/kit/backends/global-teardown.ts',
  testSequencer: '<rootDir>/test/kit/runner/longest-first.ts',
  reporters: ['default', '<rootDir>/test/kit/backends/left-out-reporter.ts'],
  // Ends a test that hangs. On a busy machine a start takes many seconds, so no test is judged by its duration, and none has a shorter limit.
  testTimeout: 300_000,
  // Suites that start processes often wait, so there are more workers than cores; a quarter of them begin with the suites that compute. On two cores,
  // eight workers took 14 % more processor time than five for the same suites, because they evict each other's data from the caches. Four left more of
  // the time unused (measured).
  maxWorkers: Math.min(8, 1 + 2 * availableParallelism()),
};
