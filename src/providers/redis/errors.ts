import { BrokerError } from '../../domain/errors.ts';
import { RedisErrorAnswer } from './answers.ts';

/** The first word of an answer that is an error (RESP, "Simple errors"): the rest quotes the command. */
const PREFIX = /^([A-Z]{2,32})(?: |$)/;
/** Words of Redis and Valkey. Any other word is under the server's control and is not kept. */
const WORDS = new Set([
  'ASK',
  'BUSY',
  'BUSYKEY',
  'CLUSTERDOWN',
  'CROSSSLOT',
  'ERR',
  'EXECABORT',
  'INPROG',
  'LOADING',
  'MASTERDOWN',
  'MISCONF',
  'MOVED',
  'NOAUTH',
  'NOGOODSLAVE',
  'NOPERM',
  'NOPROTO',
  'NOQUORUM',

  'NOREPLICAS',
  'NOSCRIPT',
  'NOTBUSY',
  'OOM',
  'READONLY',
  'TRYAGAIN',
  'UNKILLABLE',
  'WRONGPASS',
  'WRONGTYPE',
]);
const TLS_CODE = /^(?:ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/;
const SOCKET_CODE = /^E[A-Z_]{3,}$/;
const AWAY = new Set(['LOADING', 'MASTERDOWN', 'CLUSTERDOWN', 'READONLY', 'TRYAGAIN', 'BUSY']);

/** A refusal of the server. Only its first word is kept. */
class RedisRefusal extends Error {
  readonly word: string;

  constructor(word: string) {
    super(`the server answered with ${word}`);
    this.name = 'RedisRefusal';
    this.word = word;
  }
}

/** The first word of the server's refusal; '' if it did not refuse. */
export function refusalWordOf(error: unknown): string {
  if (error instanceof RedisRefusal) return error.word;
  return error instanceof BrokerError && error.cause !== undefined
    ? refusalWordOf(error.cause)
    : '';
}

/**
 * A server failure as a BrokerError. Reasons: `login_refused`, `not_permitted`, `not_serving`, `refused`, `tls`, `network`, `protocol`. The circuit
 * breaker of the connection reads them: a refusal does not open it.
 */
export function toBrokerError(error: unknown): BrokerError {
  if (error instanceof BrokerError) return error;
  const code = codeOf(error);
  if (TLS_CODE.test(code)) return failure('ERR_PROVIDER_UNAVAILABLE', 'tls');
  if (SOCKET_CODE.test(code)) return failure('ERR_PROVIDER_UNAVAILABLE', 'network');
  if (!(error instanceof RedisErrorAnswer)) return failure('ERR_PROVIDER_UNAVAILABLE', 'network');
  const word = PREFIX.exec(error.message)?.[1];
  if (word === undefined) return failure('ERR_PROVIDER_MALFORMED', 'protocol');
  return fromServer(WORDS.has(word) ? word : 'another word');
}

function fromServer(word: string): BrokerError {
  const cause = new RedisRefusal(word);
  if (word === 'WRONGPASS' || word === 'NOAUTH') {
    return failure('ERR_PROVIDER_DENIED', 'login_refused', cause);
  }
  if (word === 'NOPERM') return failure('ERR_PROVIDER_DENIED', 'not_permitted', cause);
  if (AWAY.has(word)) return failure('ERR_PROVIDER_UNAVAILABLE', 'not_serving', cause);
  return failure('ERR_PROVIDER_FAILED', 'refused', cause);
}

function failure(
  code: `ERR_PROVIDER_${'DENIED' | 'FAILED' | 'MALFORMED' | 'UNAVAILABLE'}`,
  reason: string,
  cause?: unknown,
): BrokerError {
  return new BrokerError(code, undefined, { reason, ...(cause !== undefined && { cause }) });
}

function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}
