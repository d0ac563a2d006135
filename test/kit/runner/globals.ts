import type * as JestGlobals from '@jest/globals';
import { ModuleMocker } from 'jest-mock';

type Name =
  | ('afterAll' | 'afterEach' | 'beforeAll' | 'beforeEach')
  | ('describe' | 'expect' | 'it' | 'test');
type Globals = Pick<typeof JestGlobals, Name>;

let current = {} as Globals;

export function setGlobals(globals: Globals): void {
  current = globals;
}

/** A function of the current suite: modules of `test/kit` import it once, and then serve several suites. */
function forwarded<K extends Name>(name: K): Globals[K] {
  return new Proxy((() => undefined) as unknown as Globals[K], {
    apply: (_target, self, args) =>
      Reflect.apply(current[name] as () => unknown, self, args) as unknown,
    get: (_target, key) => Reflect.get(current[name], key) as unknown,
  });
}

interface Registry {
  matchers: Readonly<Record<string, unknown>>;
}

const REGISTRY = Symbol.for('$$jest-matchers-object');
const MODIFIERS = ['not', 'rejects', 'resolves'];

/**
 * Builds one matcher for the values of a call of `expect`. Jest builds six functions for each of its 36 matchers, and takes a stack trace, in every
 * call: that took 12 of the 13 µs of an expectation. While the registry has only this matcher, jest builds only this one. Only promises use the trace.
 */
function matcherFor(values: unknown[], modifiers: readonly string[], name: string): unknown {
  const registry = Reflect.get(globalThis, REGISTRY) as Registry;
  const { matchers } = registry;
  if (!Object.hasOwn(matchers, name)) return undefined;
  const { stackTraceLimit } = Error;
  const isOfPromise = modifiers.some((modifier) => modifier !== 'not');
  registry.matchers = { [name]: matchers[name] };
  if (!isOfPromise) Error.stackTraceLimit = 0;
  try {
    let built = Reflect.apply(current.expect, undefined, values) as unknown as Built;
    for (const modifier of modifiers) built = built[modifier] as Built;
    return built[name];
  } finally {
    registry.matchers = matchers;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

type Built = Readonly<Record<string, unknown>>;

function expectation(values: unknown[], modifiers: readonly string[]): object {
  return new Proxy(
    {},
    {
      get: (_target, key) => {
        const name = String(key);
        return MODIFIERS.includes(name)
          ? expectation(values, [...modifiers, name])
          : matcherFor(values, modifiers, name);
      },
    },
  );
}

/** Suites get these for `@jest/globals` (`worker-main.ts`). */
export const afterAll = forwarded('afterAll');
export const afterEach = forwarded('afterEach');
export const beforeAll = forwarded('beforeAll');
export const beforeEach = forwarded('beforeEach');
export const describe = forwarded('describe');
export const expect = new Proxy(forwarded('expect'), {
  apply: (_target, _self, values: unknown[]) => expectation(values, []),
});
export const it = forwarded('it');
export const jest = new ModuleMocker(globalThis);
export const test = forwarded('test');
