import type { IncomingHttpHeaders } from 'node:http';
import { constantTimeEqual, sha256 } from '../../../crypto/digest.ts';

/** The header of AWS's Lambda extension and agent. A request that somebody was tricked into has no header of its own choice. */
const TOKEN_HEADER = 'x-aws-parameters-secrets-token';
/** Set by what forwards: no caller of this machine is behind a proxy. */
const FORWARDED = ['x-forwarded-for', 'x-forwarded-host', 'forwarded', 'via'];
/** Set by browsers, which nobody runs beside a workload. Not `sec-fetch-mode`: Node's own `fetch` sends that one alone. */
const BROWSER = ['origin', 'sec-fetch-site'];
const LOCAL_NAME = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

export interface Refusal {
  readonly status: number;
  readonly message: string;
}

/** Refuses what was forwarded or comes from a browser's page: server-side request forgery and DNS rebinding. */
export function refusalOf(headers: IncomingHttpHeaders): Refusal | undefined {
  if (FORWARDED.some((name) => headers[name] !== undefined))
    return { status: 400, message: 'Forwarded' };
  if (BROWSER.some((name) => headers[name] !== undefined))
    return { status: 403, message: 'Not for browsers' };
  return undefined;
}

/** On a port, the name must be local: another one is a page of somebody else that resolved to this machine. */
export function hostRefusal({ host }: IncomingHttpHeaders): Refusal | undefined {
  return LOCAL_NAME.test(host ?? '') ? undefined : { status: 403, message: 'Not this host' };
}

/** Digests are compared, so that neither content nor length shows in the time that it takes. */
export function tokenRefusal(headers: IncomingHttpHeaders, token: string): Refusal | undefined {
  const given = headers[TOKEN_HEADER];
  const isRight = typeof given === 'string' && constantTimeEqual(sha256(given), sha256(token));
  return isRight ? undefined : { status: 403, message: 'Bad Token' };
}
