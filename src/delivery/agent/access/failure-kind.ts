import { ApiError, UnreachableError } from '../../../client/index.ts';

/**
 * What a failed call means to the agent. `away`: try again later. `unauthenticated`: the session, or the token of a login, does not count.
 * `denied`: there is no right to it. `refused`: the broker does not do it, however often it is asked.
 */
export type FailureKind = 'away' | 'unauthenticated' | 'denied' | 'refused';

/** @throws what is none of the client's errors: a fault of ours. */
export function failureKind(error: unknown): FailureKind {
  if (error instanceof UnreachableError) return 'away';
  if (!(error instanceof ApiError)) throw error;
  if (error.retryAfterSeconds !== undefined) return 'away';
  return kindOfStatus(error.status);
}

/** The same for an item of a batch. */
export function kindOfStatus(status: number): FailureKind {
  if (status === 401) return 'unauthenticated';
  if (status === 403 || status === 404) return 'denied';
  return status === 429 || status >= 500 ? 'away' : 'refused';
}

export function retryAfterOf(error: unknown): number | undefined {
  return error instanceof ApiError ? error.retryAfterSeconds : undefined;
}

/** What a log may say of it. Messages of the client's errors hold no credential and no value. */
export function factsOf(error: unknown): Readonly<Record<string, string | number>> {
  if (error instanceof ApiError) {
    const { code, status, requestId: request } = error;
    return { code, status, request };
  }
  if (error instanceof UnreachableError) return { reason: error.reason, error: error.message };
  return { error: error instanceof Error ? error.name : typeof error };
}
