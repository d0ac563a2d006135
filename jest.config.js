import { availableParallelism } from 'node:os';

/** Suites run as native ES modules in processes of their own. Node strips the types without checking them: `npm run check` does that. */
export default {
  runner: '<rootDir>/test/kit/runner/runner.ts',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {},
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  globalSetup: '<rootDir>/test/kit/backends/global-setup.ts',
  globalTeardown: '<rootDir>/test/kit/backends/global-teardown.ts',
  testSequencer: '<rootDir>/test/kit/runner/longest-first.ts',
  reporters: ['default', '<rootDir>/test/kit/backends/left-out-reporter.ts'],
  // Ends a test that hangs. On a busy machine a start takes many seconds, so no test is judged by its duration, and none has a shorter limit.
  testTimeout: 300_000,
  // Suites that start processes often wait, so each core has two workers; a quarter of all workers begin with the suites that compute. On two cores,
  // eight workers took a fifth more processor time for the same suites, because they evict each other's data from the caches (measured).
  maxWorkers: Math.min(8, 2 * availableParallelism()),
};
