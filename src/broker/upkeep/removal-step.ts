import type { Clock } from '../../ports/clock.ts';
import type { Store, Write } from '../../ports/store.ts';
import type { KeyringRowMacs } from '../kernel/row-macs.ts';
import type { Recordable } from '../state/dependencies.ts';

/** Cause in the entries of what a release applies again. */
export const CAUSE = 'newer_log';

export interface StepParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly rows: KeyringRowMacs;
}

/** One removal, with its name in the plan and its entry. */
export interface Step {
  readonly name: string;
  readonly writes: readonly Write[];
  readonly event: Recordable;
}
