import { BrokerError } from '../domain/errors.ts';
import { constantTimeEqual, hmac } from '../crypto/digest.ts';
import type { Parts } from './parts.ts';

const MAC_CHARACTERS = 22;

/** A page's `next`: opaque, and of use only for the list it came from, so that nobody pages from a place of his own making. */
export function encodeCursor(parts: Parts, list: string, position: unknown): string {
  const body = Buffer.from(JSON.stringify(position)).toString('base64url');
  return `${body}.${mac(parts, list, body)}`;
}

/** @throws ERR_REQUEST_INVALID for a cursor that this installation did not give out for this list. */
export function decodeCursor(parts: Parts, list: string, cursor: string | undefined): unknown {
  if (cursor === undefined) return undefined;
  const [body = '', given = '', ...rest] = cursor.split('.');
  const expected = mac(parts, list, body);
  if (rest.length > 0 || !constantTimeEqual(Buffer.from(given), Buffer.from(expected))) {
    throw new BrokerError('ERR_REQUEST_INVALID', '"after" is not a cursor that this list returned');
  }
  return JSON.parse(Buffer.from(body, 'base64url').toString()) as unknown;
}

function mac(parts: Parts, list: string, body: string): string {
  return hmac(parts.cursorKey, list, '\n', body).toString('base64url').slice(0, MAC_CHARACTERS);
}
