/** Suites run as native ES modules (`--experimental-vm-modules`), TypeScript through swc without type checks: `npm run check` does those. */
export default {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  transform: {
    '\\.ts$': [
      '@swc/jest',
      { jsc: { target: 'es2024', parser: { syntax: 'typescript' } }, module: { type: 'es6' } },
    ],
  },
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  globalSetup: '<rootDir>/test/kit/backends/global-setup.ts',
  globalTeardown: '<rootDir>/test/kit/backends/global-teardown.ts',
  testSequencer: '<rootDir>/test/kit/longest-first.ts',
  reporters: ['default', '<rootDir>/test/kit/backends/left-out-reporter.ts'],
  // Ends a test that hangs. On a busy machine a start takes many seconds, so no test is judged by its duration, and none has a shorter limit.
  testTimeout: 300_000,
  // One more than the cores of the smallest machine: suites often wait for a server or for time to pass.
  maxWorkers: 3,
};
