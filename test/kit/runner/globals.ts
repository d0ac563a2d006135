import type * as JestGlobals from '@jest/globals';
import { ModuleMocker } from 'jest-mock';

type Name =
  ('afterAll' | 'afterEach' | 'beforeAll' | 'beforeEach') | ('describe' | 'expect' | 'it' | 'test');
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

/** Suites get these for `@jest/globals` (`worker-main.ts`). */
export const afterAll = forwarded('afterAll');
export const afterEach = forwarded('afterEach');
export const beforeAll = forwarded('beforeAll');
export const beforeEach = forwarded('beforeEach');
export const describe = forwarded('describe');
export const expect = forwarded('expect');
export const it = forwarded('it');
export const jest = new ModuleMocker(globalThis);
export const test = forwarded('test');
