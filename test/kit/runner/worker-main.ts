import { enableCompileCache, registerHooks, syncBuiltinESMExports } from 'node:module';
import { fileURLToPath } from 'node:url';
import threads, { type WorkerOptions } from 'node:worker_threads';
import type { Suite } from './runner.ts';

const CACHE = fileURLToPath(new URL('../../../node_modules/.cache/suites', import.meta.url));
const GLOBALS = new URL('globals.ts', import.meta.url).href;
const KEEP_PRIORITY = fileURLToPath(new URL('keep-priority.cjs', import.meta.url));
/** Bundles of the modules of threads, by URL (`bundle-threads.ts`). */
const BUNDLES = JSON.parse(process.env['QM_THREADS'] ?? '{}') as Readonly<Record<string, string>>;

// Halves the processor time of the first load of the broker's modules.
enableCompileCache(CACHE);
/** Threads of the broker have no environment, so each would compile its modules again; and they would wait for all other suites. */
threads.Worker = class extends threads.Worker {
  constructor(module: string | URL, options: WorkerOptions = {}) {
    const { env = process.env, execArgv = process.execArgv } = options;
    const cached = typeof env === 'symbol' ? env : { ...env, NODE_COMPILE_CACHE: CACHE };
    super(BUNDLES[String(module)] ?? module, {
      ...options,
      env: cached,
      execArgv: [...execArgv, '--require', KEEP_PRIORITY],
    });
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
