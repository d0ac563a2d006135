import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { constantTimeEqual, sha256 } from '../../../crypto/hashes/digest.ts';

/** Name of the header of AWS's Lambda extension and agent. An attacker who makes another program send a request cannot set headers. */
const TOKEN_HEADER = 'x-aws-parameters-secrets-token';
/** Headers that proxies set. A caller on this machine is never behind one. */
const FORWARDED = ['x-forwarded-for', 'x-forwarded-host', 'forwarded', 'via'];
/**
 * Headers that browsers set, which do not run beside a workload. `sec-fetch-mode` is not among them, because Node's own `fetch`
 * sends it.
 */
const BROWSER = ['origin', 'sec-fetch-site'];
const LOCAL_NAME = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Refuses requests of proxies and browsers: server-side request forgery and DNS rebinding. */
export function refusalOf(headers: IncomingHttpHeaders): Refusal | undefined {
  if (FORWARDED.some((name) => headers[name] !== undefined))
    return { status: 400, message: 'Forwarded' };
  if (BROWSER.some((name) => headers[name] !== undefined))
    return { status: 403, message: 'Not for browsers' };
  return undefined;
}

/** Requires one local host on a port: another name belongs to a foreign page that resolves to this machine (DNS rebinding). */
export function hostRefusal({
  headersDistinct: { host = [] },
}: Pick<IncomingMessage, 'headersDistinct'>): Refusal | undefined {
  const isLocal = host.length === 1 && LOCAL_NAME.test(host[0] ?? '');
  return isLocal ? undefined : { status: 403, message: 'Not this host' };
}

/** Compares digests, so that the duration reveals neither content nor length. */
export function tokenRefusal(headers: IncomingHttpHeaders, token: string): Refusal | undefined {
  const given = headers[TOKEN_HEADER];
  const isRight = typeof given === 'string' && constantTimeEqual(sha256(given), sha256(token));
  return isRight ? undefined : { status: 403, message: 'Bad Token' };
}
