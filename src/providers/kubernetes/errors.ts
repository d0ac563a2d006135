import { BrokerError, type ErrorCode } from '../../domain/errors.ts';
import type { IncomingMessage } from 'node:http';

const STATUS = /^http_([0-9]{3})$/;

/** Converts the client's errors for the guard: a refusal is not a fault of the server, and 429 asks for fewer requests. */
export function kubernetesError(error: unknown): unknown {
  if (!(error instanceof BrokerError)) return error;
  const status = Number(STATUS.exec(error.reason ?? '')?.[1] ?? 0);
  if (status === 429) return withReason(error, 'throttled');
  const isRefusal = error.code === 'ERR_PROVIDER_FAILED' && status >= 400 && status < 500;
  return isRefusal ? withReason(error, 'refused') : error;
}

function withReason(error: BrokerError, reason: string): BrokerError {
  const { retryAfterSeconds } = error;
  return new BrokerError(error.code, undefined, {
    cause: error,
    reason,
    ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
  });
}

/** Reports whether the API server answered with this status; `kubernetesError` keeps the client's error as cause. */
export function hasStatus(error: unknown, status: number): boolean {
  if (!(error instanceof BrokerError)) return false;
  return error.reason === `http_${status}` || hasStatus(error.cause, status);
}

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

/** Keeps only the status: the server's message may quote the request. */
export function answerError(response: IncomingMessage): BrokerError {
  const status = response.statusCode ?? 0;
  const retryAfter = Number(response.headers['retry-after'] ?? Number.NaN);
  const known = Number.isInteger(retryAfter) && retryAfter >= 0;
  return new BrokerError(CODES[status] ?? 'ERR_PROVIDER_FAILED', undefined, {
    reason: `http_${String(status)}`,
    ...(known && { retryAfterSeconds: Math.min(retryAfter, LONGEST_RETRY_SECONDS) }),
  });
}
