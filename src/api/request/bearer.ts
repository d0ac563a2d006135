import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../../domain/errors.ts';
import { isRepeated } from './check-request.ts';

const BEARER = 'Bearer ';
const DPOP = 'DPoP ';
const TOKEN = /^[0-9A-Za-z_]{1,128}$/;

/** The token of the one accepted form, `Authorization: Bearer <token>`; undefined for any other form, never a part of it. */
export function findBearer(request: IncomingMessage): string | undefined {
  return tokenOf(request, BEARER);
}

/** The token of a request that also sends a proof, `Authorization: DPoP <token>` (RFC 9449 §7.1). */
export function findSenderToken(request: IncomingMessage): string | undefined {
  return tokenOf(request, DPOP);
}

/** @throws ERR_UNAUTHENTICATED */
export function readBearer(request: IncomingMessage): string {
  const token = findBearer(request);
  if (token !== undefined) return token;
  const reason = request.headers.authorization === undefined ? 'no_token' : 'token_form';
  throw new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason });
}

/**
 * The challenge of a 401. It depends only on the form of the request, so the answer reveals nothing: an unknown token and a known token
 * with a failed proof get the same challenge.
 */
export function challengeOf(request: IncomingMessage, parameters?: string): string {
  const isProof = request.headers.authorization?.startsWith(DPOP) === true;
  if (parameters !== undefined) return `${isProof ? DPOP : BEARER}${parameters}`;
  return isProof ? 'DPoP error="invalid_dpop_proof"' : 'Bearer';
}

function tokenOf(request: IncomingMessage, scheme: string): string | undefined {
  const header = request.headers.authorization;
  if (header?.startsWith(scheme) !== true) return undefined;
  const token = header.slice(scheme.length);
  return TOKEN.test(token) && !isRepeated(request.rawHeaders, 'authorization') ? token : undefined;
}
