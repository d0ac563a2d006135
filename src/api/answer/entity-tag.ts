import type { IncomingHttpHeaders } from 'node:http';
import { BrokerError } from '../../domain/errors.ts';

/** Entity tag of RFC 9110 section 8.8.3: strong tags only, one at a time. */
export const TAG = /^"[!#-~]{1,160}"$/;

/** The state that the caller expects: a tag with its quotes, `*` for any, or no precondition. */
export interface Preconditions {
  readonly ifMatch?: string;
  readonly ifNoneMatch?: '*';
}

/** @throws ERR_REQUEST_INVALID for weak tags, lists, both headers at once, and `If-None-Match` of anything but `*`. */
export function readPreconditions(headers: IncomingHttpHeaders): Preconditions {
  const { 'if-match': match, 'if-none-match': noneMatch } = headers;
  if (match !== undefined && noneMatch !== undefined) {
    throw refused('send If-Match or If-None-Match, not both');
  }
  if (noneMatch !== undefined) {
    if (noneMatch !== '*') throw refused('If-None-Match takes * only');
    return { ifNoneMatch: '*' };
  }
  if (match === undefined) return {};
  if (match !== '*' && !TAG.test(match)) throw refused('If-Match takes * or one strong entity tag');
  return { ifMatch: match };
}

function refused(detail: string): BrokerError {
  return new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'precondition' });
}
