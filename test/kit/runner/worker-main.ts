import { enableCompileCache, registerHooks, syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import threads, { type WorkerOptions } from 'node:worker_threads';
import type { Suite } from './runner.ts';

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/suites', import.meta.url));
const GLOBALS = new URL('globals.ts', import.meta.url).href;

// Halves the processor time of the first load of the broker's modules.
enableCompileCache(CACHE);
/** Threads of the broker have no environment, so each would compile its modules again. */
threads.Worker = class extends threads.Worker {
  constructor(module: string | URL, options: WorkerOptions = {}) {
    const { env = process.env } = options;
    const cached = typeof env === 'symbol' ? env : { ...env, NODE_COMPILE_CACHE: CACHE };
    super(module, { ...options, env: cached });
  }
};
syncBuiltinESMExports();
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@jest/globals' ? { url: GLOBALS, shortCircuit: true } : next(specifier, context),
});
const { runSuite } = await import('./run-suite.ts');

process.once('disconnect', () => process.exit());
process.on('message', (suite: Suite) => {
  // jest-circus takes over unhandled rejections.
  void runSuite(suite).then(
    (ran) => process.send?.(ran),
    (error: unknown) => process.send?.({ error }),
  );
});
