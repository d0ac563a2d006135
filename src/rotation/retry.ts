import { randomFraction } from '../crypto/random/random.ts';
import type { BrokerError } from '../domain/errors.ts';
import { doubledDelay } from '../ports/backoff.ts';

const FIRST_PAUSE_MS = 10_000;
const LONGEST_PAUSE_MS = 900_000;
const SOON_MS = 1_000;
/** The longest wait that a target may ask for. */
const LONGEST_WAIT_MS = 86_400_000;
/** The end of a wait is noticed late by at most this fraction of its duration. */
const LATE_BY = 10;

/** A retry would fail in the same way. A missing connection may exist in another process, because configurations change one by one. */
export function isFinal({ code, reason }: BrokerError): boolean {
  return (code === 'ERR_CONFLICT' && reason !== 'no_connection') || code === 'ERR_BODY_INVALID';
}

/** Computes a pause with full jitter, below a limit that doubles from ten seconds to a quarter of an hour. Milliseconds. */
export function pauseAfterFailure(attempts: number): number {
  const pause = doubledDelay(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, Math.max(0, attempts - 1));
  return SOON_MS + Math.round(pause * randomFraction());
}

/**
 * Computes the pause before a target that is still at work is polled again: as long as it asks, and longer as the rotation gets
 * older, so that a job of an hour is not polled hundreds of times. Milliseconds.
 */
export function pauseWhileWaiting(retryAfterSeconds: number, ageMs: number): number {
  const said = Math.min(retryAfterSeconds * 1000, LONGEST_WAIT_MS);
  const pause = Math.max(said, Math.min(ageMs / LATE_BY, LONGEST_PAUSE_MS));
  return Math.round(pause + SOON_MS * (1 + randomFraction()));
}
