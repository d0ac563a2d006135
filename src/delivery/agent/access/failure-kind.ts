import { ApiError, UnreachableError } from '../../../client/index.ts';

/**
 * Meaning of a failed call for the agent. `unavailable`: retry later. `unauthenticated`: the broker does not accept the session,
 * or the token of a login. `denied`: no access. `refused`: a retry would be refused too.
 */
export type FailureKind = 'unavailable' | 'unauthenticated' | 'denied' | 'refused';

/** @throws any error that is not one of the client's: a fault of ours. */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof UnreachableError) return 'unavailable';
  if (!(error instanceof ApiError)) throw error;
  if (error.retryAfterSeconds !== undefined) return 'unavailable';
  return kindOfStatus(error.status);
}

/** Gives the kind of a refused item of a batch, from its status. */
export function kindOfStatus(status: number): FailureKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403 || status === 404) return 'denied';
  return status === 429 || status >= 500 ? 'unavailable' : 'refused';
}

export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterSeconds : undefined;
}

/** Fields for the log. Messages of the client's errors contain no credential and no value. */
export function factsOf(error: unknown): Readonly<Record<string, string | number>> {
  if (error instanceof ApiError) {
    const { code, status, requestId: request } = error;
    return { code, status, request };
  }
  if (error instanceof UnreachableError) return { reason: error.reason, error: error.message };
  return { error: error instanceof Error ? error.name : typeof error };
}
