import type { Caller } from '../access/call.ts';
import type { Backends, Recording, Values } from '../state/dependencies.ts';
import { LiveSession } from '../state/session-memory.ts';
import { locatorAt } from '../state/target.ts';
import type { Value } from '../state/value-cache.ts';

/** Finds the value that a canary pod reads before all others, requested as the current version or by its name. */
export function canaryValue(
  parts: Values & Pick<Recording, 'digest'> & Pick<Backends, 'catalog' | 'connections'>,
  caller: Caller,
  { path, version }: { readonly path: string; readonly version?: string | undefined },
): Value | undefined {
  const value = caller instanceof LiveSession ? parts.canaries.valueFor(caller, path) : undefined;
  if (value === undefined || (version !== undefined && version !== value.version)) return undefined;
  // The value comes from the broker's own store. Its locator is the one at which the value will be published.
  return { ...value, locator: locatorAt(parts, path) };
}
