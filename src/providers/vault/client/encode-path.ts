import { BrokerError } from '../../../domain/errors.ts';

// oxlint-disable-next-line no-control-regex -- control characters are what is refused
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/**
 * Converts a plain path to an API path. Each segment is percent-encoded separately, so that the server decodes the same segments
 * (CVE-2026-3605).
 * @throws ERR_PATH_INVALID for an empty or relative segment, control characters and broken surrogate pairs.
 */
export function encodeVaultPath(path: string): string {
  return path.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  const isRelative = segment === '' || segment === '.' || segment === '..';
  if (isRelative || CONTROL.test(segment) || !segment.isWellFormed()) {
    throw new BrokerError('ERR_PATH_INVALID');
  }
  return encodeURIComponent(segment);
}
