import { isDeepStrictEqual } from 'node:util';
import { pointerTo } from '../../domain/words/json-pointer.ts';
import type { Config } from './schema.ts';

/**
 * Settings that a reload applies. A name alone stands for the setting and all below it; one that ends in a slash only for those below it, because
 * whether the section exists decides which code the broker loads at its start.
 */
const RELOADED = [
  '/audit/acknowledgeWithinSeconds',
  '/audit/denials',
  '/audit/refusals',
  '/audit/sinks',
  '/connections',
  // Another process reads this section.
  '/injector',
  '/kubernetes/forbiddenNamespaces',
  '/limits',
  '/listener/maxConnections',
  '/listener/maxConnectionsPerAddress',
  '/listener/tls/certificateFile',
  '/listener/tls/clientCaFile',
  '/listener/tls/keyFile',
  '/listener/trustedProxies',
  '/log/level',
  '/notifications',
  '/people',
  '/traces/',
];

/** JSON pointers of the settings that differ and that only a restart can apply. */
export function settingsForRestart(running: Config, next: Config): readonly string[] {
  return differences(running, next, []).filter((pointer) => !isReloaded(pointer));
}

function isReloaded(pointer: string): boolean {
  return RELOADED.some((each) =>
    each.endsWith('/') ? pointer.startsWith(each) : isAt(pointer, each),
  );
}

function isAt(pointer: string, place: string): boolean {
  return pointer === place || pointer.startsWith(`${place}/`);
}

/** The innermost settings that differ. */
function differences(a: unknown, b: unknown, path: readonly string[]): readonly string[] {
  if (!isMap(a) || !isMap(b)) return isDeepStrictEqual(a, b) ? [] : [pointerTo(path)];
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    differences(a[key], b[key], [...path, key]),
  );
}

export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
