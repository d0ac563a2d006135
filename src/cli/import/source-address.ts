import { UsageError } from '../usage-error.ts';

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** @throws UsageError for an address that is none, or would send credentials and secrets in clear to another machine */
export function checkSourceAddress(option: string, address: string, what: string): void {
  const url = URL.parse(address);
  if (url === null || !['http:', 'https:'].includes(url.protocol)) {
    throw new UsageError(`${option} is https://HOST:PORT of ${what}`);
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    throw new UsageError(
      `${option}: http:// would send token and secrets in clear; https:// is needed`,
    );
  }
}
