import { BrokerError } from '../../domain/errors.ts';

/**
 * What a backend says that it granted, as whole seconds; nothing that it says makes a lease unlimited.
 * @throws ERR_PROVIDER_MALFORMED for what is no time at all (CVE-2020-12757: a lease of 0 that never ended).
 */
export function wholeSeconds(granted: number): number {
  const seconds = Math.floor(Math.min(granted, Number.MAX_SAFE_INTEGER / 1_000_000));
  if (seconds > 0) return seconds;
  throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'lease_duration' });
}
