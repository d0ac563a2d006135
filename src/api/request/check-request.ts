import { BrokerError } from '../../domain/errors.ts';
import type { Exchange } from './exchange.ts';

/** Node drops headers beyond its own limit silently, and an Authorization header may be among them. Our limit is far below Node's. */
export const MOST_HEADERS = 100;
const MOST_UNDER_WAY = 64;

const TARGET = /^(?:\/[A-Za-z0-9._+=@:~-]+)*\/?$/;
const DOT_SEGMENT = /\/\.{1,2}(?:\/|$)/;
const LONGEST_TARGET = 4_096;

/**
 * Refuses faults that any operation refuses: wrong framing, and a path that two parsers could understand differently.
 * @throws ERR_REQUEST_INVALID, ERR_PATH_INVALID, ERR_HEADERS_TOO_LARGE, ERR_RATE_LIMITED
 */
export function checkRequest(exchange: Exchange): void {
  const { url = '', rawHeaders, httpVersionMajor } = exchange.request;
  // Node parses the rest of such a request as HTTP/1.1; a proxy in front may not.
  if (httpVersionMajor !== 1) throw malformed('http_version');
  if (rawHeaders.length > 2 * MOST_HEADERS) {
    throw new BrokerError('ERR_HEADERS_TOO_LARGE', undefined, { reason: 'too_many_headers' });
  }
  if (isRepeated(rawHeaders, 'host')) throw malformed('two_hosts');
  if (exchange.inFlight > MOST_UNDER_WAY) {
    throw new BrokerError('ERR_RATE_LIMITED', undefined, {
      reason: 'pipelined',
      retryAfterSeconds: 1,
    });
  }
  if (url.charCodeAt(0) !== 0x2f) throw malformed('absolute_form');
  if (url.length > LONGEST_TARGET) throw malformed('target_length');
  const end = url.indexOf('?');
  const path = end === -1 ? url : url.slice(0, end);
  if (!TARGET.test(path) || DOT_SEGMENT.test(path)) {
    throw new BrokerError('ERR_PATH_INVALID', undefined, { reason: 'bad_path' });
  }
}

/** Node keeps the first of two headers with the same name; a proxy in front may have checked the other one (ASVS 4.2). */
export function isRepeated(rawHeaders: readonly string[], name: string): boolean {
  let seen = false;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const header = rawHeaders[index];
    if (header?.length !== name.length || header.toLowerCase() !== name) continue;
    if (seen) return true;
    seen = true;
  }
  return false;
}

function malformed(reason: string): BrokerError {
  return new BrokerError('ERR_REQUEST_INVALID', undefined, { reason });
}
