import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../../domain/errors.ts';
import type { ErrorCode } from '../../../domain/errors.ts';

const CODES: Readonly<Record<number, ErrorCode>> = {
  401: 'ERR_PROVIDER_DENIED',
  403: 'ERR_PROVIDER_DENIED',
  404: 'ERR_NOT_FOUND',
  409: 'ERR_CONFLICT',
  429: 'ERR_PROVIDER_UNAVAILABLE',
  503: 'ERR_PROVIDER_UNAVAILABLE',
  504: 'ERR_PROVIDER_TIMEOUT',
};
const LONGEST_RETRY_SECONDS = 600;

/** The status alone: the server's own message may quote what was sent to it. */
export function answerError(response: IncomingMessage): BrokerError {
  const status = response.statusCode ?? 0;
  const retryAfter = Number(response.headers['retry-after'] ?? Number.NaN);
  const known = Number.isInteger(retryAfter) && retryAfter >= 0;
  return new BrokerError(CODES[status] ?? 'ERR_PROVIDER_FAILED', undefined, {
    reason: `http_${String(status)}`,
    ...(known && { retryAfterSeconds: Math.min(retryAfter, LONGEST_RETRY_SECONDS) }),
  });
}
