import type { Caller } from '../call.ts';
import type { Parts } from '../parts.ts';
import { LiveSession } from '../sessions/session-memory.ts';
import { locatorAt } from './target.ts';
import type { Value } from './value-cache.ts';

/** What a canary has before everybody else, asked for as the current version or by its name. */
export function earlyValue(
  parts: Parts,
  caller: Caller,
  { path, version }: { readonly path: string; readonly version?: string | undefined },
): Value | undefined {
  const value = caller instanceof LiveSession ? parts.canaries.valueFor(caller, path) : undefined;
  if (value === undefined || (version !== undefined && version !== value.version)) return undefined;
  // It comes from our own store, and stands for what will be at the place of the path.
  return { ...value, locator: locatorAt(parts, path) };
}
