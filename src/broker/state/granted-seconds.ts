import { BrokerError } from '../../domain/errors.ts';

/**
 * Converts the duration that a backend granted to whole seconds. No answer of a backend makes a lease unlimited.
 * @throws ERR_PROVIDER_MALFORMED for a duration of zero or less (CVE-2020-12757: a lease of 0 that never expired).
 */
export function wholeSeconds(granted: number): number {
  const seconds = Math.floor(Math.min(granted, Number.MAX_SAFE_INTEGER / 1_000_000));
  if (seconds > 0) return seconds;
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'lease_duration' });
}
