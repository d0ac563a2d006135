import { ApiError, UnreachableError } from '../client/index.ts';
import { Interrupted } from './interrupted.ts';

/** A commit may have happened before these were said (docs/errors.md). */
const UNKNOWN: readonly string[] = ['ERR_OUTCOME_UNKNOWN', 'ERR_AUDIT_UNAVAILABLE', 'ERR_INTERNAL'];

/**
 * Whether something that failed so may have been done all the same. Without an answer it always may: also where the last try found nobody, one
 * before it may have been taken.
 */
export function mayHaveBeenDone(error: unknown): boolean {
  if (error instanceof ApiError) return UNKNOWN.includes(error.code);
  return error instanceof UnreachableError || error instanceof Interrupted;
}
