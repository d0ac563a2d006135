import type { Backends } from './fleet.ts';

/** The backends this test run started itself, from its setup to its teardown. */
export const startedHere: { backends: Partial<Backends> } = { backends: {} };
