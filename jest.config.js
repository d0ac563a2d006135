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
  // Four times the cores of the smallest machine: two workers begin with the suites that compute, and six with the suites that start processes.
  // Those wait three quarters of their time, for servers and for time to pass.
  maxWorkers: 8,
};
