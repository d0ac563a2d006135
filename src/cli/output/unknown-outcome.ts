import { ApiError, UnreachableError } from '../../client/index.ts';
import { Failed, Interrupted } from '../kernel/errors.ts';
import { failureOf } from './failure.ts';

/** The broker may have committed the change before it returned one of these (docs/errors.md). */
const UNKNOWN_OUTCOME: readonly string[] = [
  'ERR_OUTCOME_UNKNOWN',
  'ERR_AUDIT_UNAVAILABLE',
  'ERR_AUDIT_UNACKNOWLEDGED',
  'ERR_INTERNAL',
];

/**
 * Reports whether the broker may have made the change although the call failed. Without an answer it always may have: even if the
 * last attempt reached no broker, an earlier one may have.
 */
export function mayHaveBeenDone(error: unknown): boolean {
  if (error instanceof ApiError) return UNKNOWN_OUTCOME.includes(error.code);
  return error instanceof UnreachableError || error instanceof Interrupted;
}

/** The error of work in several steps that stopped early: it ends as its cause does, and reports the progress. */
export function stopped(cause: unknown, progress: string, why?: string): Error {
  if (cause instanceof Interrupted) return new Interrupted(cause.exitCode, progress);
  const { text, exitCode } = failureOf(cause);
  return new Failed(`${why ?? text}\n${progress}`, exitCode, { cause });
}

/** Finds the cause of an aborted call, which fails in many ways: the reason of the signal counts. */
export function causeOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? signal.reason : error;
}
