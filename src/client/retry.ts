import { doubledDelay } from '../ports/backoff.ts';
import type { Clock } from '../ports/clock.ts';
import { ApiError, UnreachableError } from './errors.ts';
import type { OperationId } from './contract-types.ts';
import type { PreparedRequest } from './prepared-request.ts';

/** Idempotent operations that are neither GET nor DELETE, such as a login, a renewal, an acknowledgement or a quarantine. */
const IDEMPOTENT: ReadonlySet<OperationId> = new Set<OperationId>([
  'createSession',
  'renewSession',
  'readSecrets',
  'renewLease',
  'acknowledge',
  'validatePolicy',
  'explainDecision',
  'explainEntry',
  'replayPolicies',
  'checkMount',
  'checkCluster',
  'applyDocuments',
  'createQuarantine',
]);
/** Codes that are returned only if nothing was changed; ERR_OUTCOME_UNKNOWN is not one of them. */
const UNCHANGED: readonly string[] = [
  'ERR_RATE_LIMITED',
  'ERR_LEASE_QUOTA',
  'ERR_IDENTITY_UNAVAILABLE',
  'ERR_POSTURE_PENDING',
  'ERR_AUDIT_UNAVAILABLE',
  'ERR_BUSY',
  'ERR_SEALED',
];
/** Lasts until an operator acts. */
const LASTING: readonly string[] = ['ERR_HELD', 'ERR_SUSPENDED'];
const TEMPORARY_STATUSES: readonly number[] = [429, 502, 503, 504];
/** A retry would fail again, for example because the backend refuses. */
const FINAL: readonly string[] = [...LASTING, 'ERR_PROVIDER_MALFORMED', 'ERR_PROVIDER_DENIED'];

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 10_000;
/** A longer delay is returned to the caller, which can use the time better. */
const LONGEST_RETRY_AFTER_SECONDS = 60;

export interface RetryOptions {
  readonly tries: number;
  readonly clock: Clock;
  /** Returns a random number in [0, 1). */
  readonly random: () => number;
}

/**
 * Retries requests that are safe to repeat. The delay has full jitter, up to a limit that doubles. It comes after `Retry-After`, so that clients with the
 * same `Retry-After` do not return at the same moment.
 * @throws the error of the last attempt, or the reason of `signal`
 */
export async function sendWithRetries<T>(
  request: PreparedRequest,
  { tries, clock, random }: RetryOptions,
  signal: AbortSignal | undefined,
  once: () => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await once();
    } catch (error) {
      if (attempt >= tries || !mayRetry(request, error)) throw error;
      const longest = doubledDelay(FIRST_PAUSE_MS, LONGEST_PAUSE_MS, attempt - 1);
      await clock.sleep(retryAfterMs(error) + random() * longest, signal);
    }
  }
}

function retryAfterMs(error: unknown): number {
  return error instanceof ApiError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
}

function mayRetry(request: PreparedRequest, error: unknown): boolean {
  if (error instanceof UnreachableError) {
    if (error.reason === 'no_connection') return true;
    return isTransient(error) && isIdempotent(request);
  }
  if (!(error instanceof ApiError) || FINAL.includes(error.code)) return false;
  if ((error.retryAfterSeconds ?? 0) > LONGEST_RETRY_AFTER_SECONDS) return false;
  if (UNCHANGED.includes(error.code)) return true;
  const isTemporary =
    TEMPORARY_STATUSES.includes(error.status) ||
    (error.status === 409 && error.retryAfterSeconds !== undefined);
  return isTemporary && isIdempotent(request);
}

/** A proxy without a reachable broker returns 5xx answers of its own. */
function isTransient({ reason, status = 0 }: UnreachableError): boolean {
  return reason === 'timeout' || reason === 'cut_off' || (reason === 'not_ours' && status >= 500);
}

function isIdempotent({ id, method, headers }: PreparedRequest): boolean {
  if (method === 'GET' || method === 'DELETE' || IDEMPOTENT.has(id)) return true;
  const names = Object.keys(headers).map((name) => name.toLowerCase());
  return names.some((name) => ['if-match', 'if-none-match', 'idempotency-key'].includes(name));
}
