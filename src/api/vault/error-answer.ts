import { statusOf, type ErrorAnswer } from '../answer/error-answer.ts';
import { ERRORS, type BrokerError, type ErrorKind } from '../../domain/errors.ts';

/** Statuses that clients of the Vault HTTP API know: several log in again on 403 only, never on 401. */
const STATUS: Readonly<Partial<Record<ErrorKind, number>>> = {
  unauthenticated: 403,
  conflict: 400,
  precondition: 400,
};
const PERMISSION_DENIED = 'permission denied';
/** Clients compare this text to find out that another writer was first. */
const OTHER_VERSION = 'check-and-set parameter did not match the current version';
const UNAVAILABLE_RETRY_SECONDS = 5;

/**
 * Writes an error as `{"errors":[...]}`. It repeats nothing of the request, and says why only if the caller may know, as the broker's own API does.
 * "Not found" without a text means "no value" to these clients.
 */
export function vaultErrorAnswer(error: BrokerError): ErrorAnswer {
  const status = STATUS[error.kind] ?? statusOf(error);
  const seconds =
    error.retryAfterSeconds ?? (status === 503 ? UNAVAILABLE_RETRY_SECONDS : undefined);
  const retry =
    seconds === undefined ? [] : ['Retry-After', String(Math.max(1, Math.ceil(seconds)))];
  return {
    status,
    headers: ['Content-Type', 'application/json', ...retry],
    body: JSON.stringify({ errors: textsOf(error) }),
  };
}

function textsOf(error: BrokerError): readonly string[] {
  const { code, kind, detail, isDetailShown, problems = [] } = error;
  const shown = isDetailShown && detail !== undefined ? [detail] : [];
  const { title } = ERRORS[code];
  if (kind === 'unauthenticated' || kind === 'denied') return [PERMISSION_DENIED, ...shown];
  if (kind === 'not_found') return shown;
  if (kind === 'internal') return [`${title} (${code})`];
  if (kind === 'precondition') return [OTHER_VERSION];
  return [
    `${detail ?? title} (${code})`,
    ...problems.map(({ pointer, message }) => `${pointer} ${message}`),
  ];
}
