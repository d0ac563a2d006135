import { BrokerError } from '../../domain/errors.ts';
import { membersOf, readPod, resourceVersionOf } from './observed-pod.ts';
import type { ObservedPod } from './observed-pod.ts';

export type WatchEvent =
  | {
      readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
      readonly pod: ObservedPod;
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
      return { type, pod: readPod(object), version: resourceVersionOf(object) };
    case 'BOOKMARK':
      return { type, version: resourceVersionOf(object) };
    case 'ERROR':
      throw failed(membersOf(object)['code']);
    default:
      throw new BrokerError('ERR_PROVIDER_MALFORMED', undefined, { reason: 'not_an_event' });
  }
}

function failed(code: unknown): BrokerError {
  const isStatus = typeof code === 'number' && Number.isInteger(code) && code >= 100 && code < 600;
  const reason = isStatus ? `http_${String(code)}` : 'error_event';
  return new BrokerError('ERR_PROVIDER_FAILED', undefined, { reason });
}
