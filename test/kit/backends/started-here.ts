import type { Backends } from './fleet.ts';

/** The backends that this test run started, and its temporary directory in memory, from its setup to its teardown. */
export const startedHere: { backends: Partial<Backends>; directory: string | undefined } = {
  backends: {},
  directory: undefined,
};
