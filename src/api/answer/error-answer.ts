import { ERRORS, type BrokerError, type ErrorCode, type ErrorKind } from '../../domain/errors.ts';
import type { Shape } from '../contract/shapes.ts';

/** Table that maps each kind of failure to its HTTP status. The mapping exists only here. */
const STATUS: Readonly<Record<ErrorKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  denied: 403,
  not_found: 404,
  method: 405,
  conflict: 409,
  precondition: 412,
  too_large: 413,
  unsupported_media: 415,
  limited: 429,
  internal: 500,
  upstream: 502,
  unavailable: 503,
  timeout: 504,
};

/** Codes that have a more specific status than their kind (RFC 6585). */
const STATUS_OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_PRECONDITION_REQUIRED: 428,
  ERR_HEADERS_TOO_LARGE: 431,
};

/** Kinds whose answer is always the same, whatever the cause, unless the caller may know more: any further detail would be an oracle. */
const MUTE: ReadonlySet<ErrorKind> = new Set([
  'unauthenticated',
  'denied',
  'internal',
  'not_found',
]);

const UNAVAILABLE_RETRY_SECONDS = 5;

/** RFC 9457 problem, ready to be sent. */
export interface ErrorAnswer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

function isMuted({ kind, isDetailShown }: BrokerError): boolean {
  return MUTE.has(kind) && !isDetailShown;
}

export function statusOf(error: BrokerError): number {
  return STATUS_OF_CODE[error.code] ?? STATUS[error.kind];
}

/**
 * An RFC 9457 problem; `type` names the section of docs/errors.md. It repeats nothing of the request except the broker's own request id.
 */
export function problemOf(error: BrokerError, requestId: string): Shape<'Problem'> {
  const isMute = isMuted(error);
  return {
    type: `urn:quaymaster:error:${error.code}`,
    title: ERRORS[error.code].title,
    status: statusOf(error),
    code: error.code,
    ...(error.detail !== undefined && !isMute && { detail: error.detail }),
    requestId,
    ...(error.problems !== undefined && !isMute && { problems: error.problems }),
  };
}

/** `challenge` is the `WWW-Authenticate` of a 401 (RFC 9110 §11.6.1). */
export function errorAnswer(
  error: BrokerError,
  requestId: string,
  challenge = 'Bearer',
): ErrorAnswer {
  const status = statusOf(error);
  return {
    status,
    headers: ['Content-Type', 'application/problem+json', ...hints(error, status, challenge)],
    body: JSON.stringify(problemOf(error, requestId)),
  };
}

function hints(error: BrokerError, status: number, challenge: string): readonly string[] {
  if (status === 401) return ['WWW-Authenticate', challenge];
  const seconds =
    error.retryAfterSeconds ?? (status === 503 ? UNAVAILABLE_RETRY_SECONDS : undefined);
  return seconds === undefined || seconds === Infinity
    ? []
    : ['Retry-After', String(Math.max(1, Math.ceil(seconds)))];
}
