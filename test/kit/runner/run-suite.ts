import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { jest, setGlobals } from './globals.ts';
import type { Ran, Suite, SuiteResult } from './runner.ts';

const require = createRequire(import.meta.url);
/** A process that has grown this far is replaced. */
const LARGEST_BYTES = 700e6;
/** Open resources that act later. Others, such as connections that are kept alive, only wait. */
const ACTIVE = [
  'FSEventWrap',
  'MessagePort',
  'ProcessWrap',
  'SignalWrap',
  'TCPServerWrap',
  'Timeout',
  'UDPWrap',
];

/** Part of a runtime that jest-circus needs: Node itself. */
const NODE = {
  /** Loads a module. jest-circus keeps the tests of a suite in its own state, so each suite gets a new one. */
  requireInternalModule(path: string): unknown {
    Reflect.deleteProperty(require.cache, path);
    Reflect.deleteProperty(globalThis, Symbol.for('EVENT_HANDLERS'));
    return require(path);
  },
  requireModule: require,
  setGlobalsForRuntime: setGlobals,
  unstable_shouldLoadAsEsm: () => true,
  unstable_importModule: (path: string) => import(pathToFileURL(path).href),
  enterTestCode: () => undefined,
  leaveTestCode: () => undefined,
};

const { default: adapter } = require('jest-circus/runner') as {
  readonly default: (
    globalConfig: Suite['globalConfig'],
    config: Suite['config'],
    environment: { readonly global: typeof globalThis },
    runtime: typeof NODE,
    path: string,
  ) => Promise<SuiteResult>;
};

/** State that a suite can change for those after it, without module state, which no module of the project keeps. */
function processState(): string {
  const listeners = process
    .eventNames()
    .map((name) => [String(name), process.listenerCount(name)].join(' '));
  const open = process.getActiveResourcesInfo().filter((name) => ACTIVE.includes(name));
  const { argv, execArgv } = process;
  return JSON.stringify([argv, execArgv, process.cwd(), listeners.sort(), open.sort()]);
}

/** Undoes the changes that a suite made to the environment. Twenty suites set credentials in it. */
function restoreEnvironment(before: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(process.env))
    if (!(name in before)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, before);
}

/** Checks of a process for what its suite closed: some turns of the event loop are enough (measured: 31 of 41 workers were replaced for such a server). */
const CHECKS = 10;
const PAUSE_MS = 5;

/** Reports whether a process is as it was. A server or process stays open for a moment after its suite closed it. */
async function isUnchanged(before: string): Promise<boolean> {
  for (let checks = 0; checks < CHECKS; checks += 1) {
    if (processState() === before) return true;
    await pause(PAUSE_MS);
  }
  return false;
}

export async function runSuite({ globalConfig, config, path }: Suite): Promise<Ran> {
  const before = processState();
  const environment = { ...process.env };
  const start = Date.now();
  const result = await adapter(globalConfig, config, { global: globalThis }, NODE, path);
  restoreEnvironment(environment);
  jest.restoreAllMocks();
  process.exitCode = undefined;
  const end = Date.now();
  const runtime = end - start;
  const slow = runtime / 1000 > config.slowTestThreshold;
  return {
    result: {
      ...result,
      // Details have the values of a failed comparison, such as a matcher with a function, which no message to another process can have. The messages
      // have all of their text.
      testResults: result.testResults.map((each) => ({ ...each, failureDetails: [] })),
      skipped: result.numPendingTests === result.testResults.length,
      testFilePath: path,
      perfStats: { ...result.perfStats, start, end, runtime, slow },
    },
    isReusable: (await isUnchanged(before)) && process.memoryUsage.rss() < LARGEST_BYTES,
  };
}
