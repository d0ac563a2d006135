import { failureOf } from './failure.ts';
import { Failed } from './failed.ts';
import { Interrupted } from './interrupted.ts';

/** Work of several steps that ended before its end: as what ended it would, with how far it had come. */
export function stopped(cause: unknown, progress: string, why?: string): Error {
  if (cause instanceof Interrupted) return new Interrupted(cause.exitCode, progress);
  const { text, exitCode } = failureOf(cause);
  return new Failed(`${why ?? text}\n${progress}`, exitCode, { cause });
}

/** A call that is ended from outside fails in many ways: what ended it is what counts. */
export function causeOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted ? signal.reason : error;
}
