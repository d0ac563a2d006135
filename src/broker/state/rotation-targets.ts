import type { RotationConnection } from '../../ports/rotation-target.ts';

/** A connection at which credentials rotate, with the places it may change and the broker prefixes whose definitions may use it. */
export interface BoundTargets {
  readonly connection: RotationConnection;
  readonly locators: readonly string[];
  readonly prefixes: readonly string[];
}
