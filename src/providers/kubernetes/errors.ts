import { BrokerError } from '../../domain/errors.ts';

const STATUS = /^http_([0-9]{3})$/;

/** The client's errors as `guard` reads them: a refusal is not the server's fault, and 429 asks for less. */
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

/** Whether the API server answered this status; `kubernetesError` keeps the client's error as cause. */
export function hasStatus(error: unknown, status: number): boolean {
  if (!(error instanceof BrokerError)) return false;
  return error.reason === `http_${status}` || hasStatus(error.cause, status);
}
