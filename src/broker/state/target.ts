import { encodeLocator, type EncodedLocator } from '../../domain/audit/audit-event.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Backends, Recording, Rights } from './dependencies.ts';
import type { StoredDocument } from '../model/document.ts';
import type { CacheTerms } from './value-cache.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';

/** The target of a path: its mount and its definition, if it has one. */
export interface Target {
  readonly mount: StoredDocument<'mount'>;
  readonly definition: StoredDocument<'definition'> | undefined;
}

/** @throws ERR_NOT_FOUND if no mount covers the path. */
export function targetOf(parts: Pick<Rights, 'catalog'>, path: string): Target {
  const mount = parts.catalog.mounts.find(path);
  if (mount === undefined)
    throw new BrokerError('ERR_NOT_FOUND', undefined, { reason: 'no_mount' });
  return { mount, definition: parts.catalog.find('definition', path) };
}

/** Encodes the locator of a path for audit entries. Undefined in the embedded store, where the path is the locator. */
export function encodedLocator(
  parts: Pick<Recording, 'digest'> & Pick<Backends, 'connections'>,
  mount: StoredDocument<'mount'>,
  locator: string,
): EncodedLocator | undefined {
  const kind = parts.connections.kind(mount);
  return kind === EMBEDDED ? undefined : encodeLocator(kind, locator, parts.digest);
}

/** Gives the locator like `encodedLocator`; also undefined if the path has no target. */
export function locatorAt(
  parts: Pick<Recording, 'digest'> & Pick<Backends, 'catalog' | 'connections'>,
  path: string,
): EncodedLocator | undefined {
  try {
    const { mount, definition } = targetOf(parts, path);
    const locator = parts.connections.locate(mount, path, definition?.spec.ref);
    return encodedLocator(parts, mount, locator);
  } catch (error) {
    if (error instanceof BrokerError) return undefined;
    throw error;
  }
}

export function leaseTtlMs({ mount, definition }: Target, most: number | undefined): number {
  const own = definition?.spec.leaseTtlSeconds ?? mount.spec.leaseTtlSeconds;
  return Math.min(own, most ?? own) * 1000;
}

export function cacheTerms({ mount, definition }: Target): CacheTerms {
  const { cacheTtlSeconds, staleIfErrorSeconds } = definition?.spec ?? {};
  return {
    connection: mount.spec.connection,
    generation: `${mount.uid}.${mount.version}.${definition?.uid ?? ''}.${definition?.version ?? 0}`,
    cacheTtlMs: (cacheTtlSeconds ?? mount.spec.cacheTtlSeconds) * 1000,
    staleIfErrorMs: (staleIfErrorSeconds ?? mount.spec.staleIfErrorSeconds) * 1000,
  };
}
