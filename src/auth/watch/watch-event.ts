import { BrokerError } from '../../domain/errors.ts';
import { malformed, membersOf, resourceVersionOf } from './members.ts';

export type WatchEvent =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly object: unknown;
      readonly version: string;
    }
  | { readonly type: 'BOOKMARK'; readonly version: string };

/** @throws ERR_PROVIDER_FAILED with reason `http_<code>` for an ERROR event, ERR_PROVIDER_MALFORMED for anything that is not an event. */
export function readWatchEvent(line: unknown): WatchEvent {
  const { type, object } = membersOf(line);
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object, version: resourceVersionOf(object) };
    case 'BOOKMARK':
      return { type, version: resourceVersionOf(object) };
    case 'ERROR':
      throw failed(membersOf(object)['code']);
    default:
      throw malformed('not_an_event');
  }
}

function failed(code: unknown): BrokerError {
  const isStatus = typeof code === 'number' && Number.isInteger(code) && code >= 100 && code < 600;
  const reason = isStatus ? `http_${String(code)}` : 'error_event';
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason });
}
