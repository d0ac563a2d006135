import type { IncomingMessage } from 'node:http';
import { BrokerError } from '../domain/errors.ts';
import { isRepeated } from './check-request.ts';

const SCHEME = 'Bearer ';
const TOKEN = /^[0-9A-Za-z_]{1,128}$/;

/** The token of the one accepted form, `Authorization: Bearer <token>`; undefined for anything else, never a part of it. */
export function findBearer(request: IncomingMessage): string | undefined {
  const header = request.headers.authorization;
  if (header?.startsWith(SCHEME) !== true) return undefined;
  const token = header.slice(SCHEME.length);
  return TOKEN.test(token) && !isRepeated(request.rawHeaders, 'authorization') ? token : undefined;
}

/** @throws ERR_UNAUTHENTICATED */
export function readBearer(request: IncomingMessage): string {
  const token = findBearer(request);
  if (token !== undefined) return token;
  const reason = request.headers.authorization === undefined ? 'no_token' : 'token_form';
  throw new BrokerError('ERR_UNAUTHENTICATED', undefined, { reason });
}
