import { BrokerError } from '../../domain/errors.ts';

export type Members = Partial<Record<string, unknown>>;

/** @throws ERR_PROVIDER_MALFORMED for anything but a JSON object. */
export function membersOf(value: unknown): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw malformed('not_an_object');
}

/** The resource version of an object or a list. @throws ERR_PROVIDER_MALFORMED if it has none, because no watch can resume from it. */
export function resourceVersionOf(object: unknown): string {
  const { resourceVersion } = membersOf(membersOf(object)['metadata']);
  if (typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw malformed('no_resource_version');
  }
  return resourceVersion;
}

export function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason });
}
