import { doubledDelay } from '../ports/backoff.ts';
import type { Clock } from '../ports/clock.ts';
import { ApiError, UnreachableError } from './errors.ts';
import type { OperationId } from './contract-types.ts';
import type { PreparedRequest } from './prepared-request.ts';

/** A login, a renewal, a read, an acknowledgement, a question or a quarantine does the same when it is done twice. */
const SAME_TWICE: ReadonlySet<OperationId> = new Set<OperationId>([
  'createSession',
  'renewSession',
  'readSecrets',
  'renewLease',
  'acknowledge',
  'validatePolicy',
  'explainDecision',
  'checkMount',
  'createQuarantine',
]);
/** Said where nothing was done, for certain: not ERR_OUTCOME_UNKNOWN. */
const NOTHING_DONE: readonly string[] = [
  'ERR_RATE_LIMITED',
  'ERR_LEASE_QUOTA',
  'ERR_IDENTITY_UNAVAILABLE',
  'ERR_AUDIT_UNAVAILABLE',
  'ERR_BUSY',
  'ERR_SEALED',
];
/** Waits for an operator. */
const LASTING: readonly string[] = ['ERR_HELD'];
const PASSING_STATUSES: readonly number[] = [429, 502, 503, 504];
/** The backend's own no: it will say it again. */
const FINAL: readonly string[] = [...LASTING, 'ERR_PROVIDER_MALFORMED', 'ERR_PROVIDER_DENIED'];

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** Who is told to wait for longer is told so: its caller knows better what to do meanwhile. */
const LONGEST_RETRY_AFTER_SECONDS = 60;

export interface RepeatOptions {
  /** Tries in all. */
  readonly tries: number;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
}

/**
 * Tries again what may be tried again: with full jitter up to a pause that doubles, and never before `Retry-After`, after which the jitter
 * begins anew, so that all who were told the same second do not come together.
 * @throws what the last try threw, or the reason of `signal`
 */
export async function repeating<T>(
  request: PreparedRequest,
  { tries, clock, random }: RepeatOptions,
  signal: AbortSignal | undefined,
  once: () => Promise<T>,
): Promise<T> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await once();
    } catch (error) {
      if (tried >= tries || !mayRepeat(request, error)) throw error;
      const longest = doubledDelay(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, tried - 1);
      await clock.sleep(floorMs(error) + random() * longest, signal);
    }
  }
}

function floorMs(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
}

function mayRepeat(request: PreparedRequest, error: unknown): boolean {
  if (error instanceof UnreachableError) {
    if (error.reason === 'no_connection') return true;
    return isTransient(error) && doesTheSameTwice(request);
  }
  if (!(error instanceof ApiError) || FINAL.includes(error.code)) return false;
  if ((error.retryAfterSeconds ?? 0) > LONGEST_RETRY_AFTER_SECONDS) return false;
  if (NOTHING_DONE.includes(error.code)) return true;
  const isPassing =
    PASSING_STATUSES.includes(error.status) ||
    (error.status === 409 && error.retryAfterSeconds !== undefined);
  return isPassing && doesTheSameTwice(request);
}

/** A proxy without the broker behind it answers 5xx in its own words. */
function isTransient({ reason, status = 0 }: UnreachableError): boolean {
  return reason === 'timeout' || reason === 'cut_off' || (reason === 'not_ours' && status >= 500);
}

function doesTheSameTwice({ id, method, headers }: PreparedRequest): boolean {
  if (method === 'GET' || method === 'DELETE' || SAME_TWICE.has(id)) return true;
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  return names.some((name) => ['if-match', 'if-none-match', 'idempotency-key'].includes(name));
}
