import { BrokerError } from '../domain/errors.ts';
import { open, seal } from '../crypto/aead.ts';
import type { SecretKey } from '../crypto/secret-key.ts';
import { cursorData } from '../crypto/associated-data.ts';
import type { Keys } from './parts.ts';

/**
 * Encodes the `next` of a page. The cursor is sealed, because its position may be a name that the caller must not learn. It is valid only
 * for the list that produced it, so a caller cannot page from a position that it chose.
 */
export function encodeCursor(
  parts: Pick<Keys, 'keyring'>,
  list: string,
  position: unknown,
): string {
  const plaintext = Buffer.from(JSON.stringify(position));
  return seal(keyOf(parts), plaintext, cursorData(list)).toString('base64url');
}

/** @throws ERR_REQUEST_INVALID for a cursor that this installation did not issue for this list. */
export function decodeCursor(
  parts: Pick<Keys, 'keyring'>,
  list: string,
  cursor: string | undefined,
): unknown {
  if (cursor === undefined) return undefined;
  try {
    const plaintext = open(keyOf(parts), Buffer.from(cursor, 'base64url'), cursorData(list));
    return JSON.parse(plaintext.toString()) as unknown;
  } catch (cause) {
    const detail = '"after" is not a cursor that this list returned';
    throw new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'bad_cursor', cause });
  }
}

function keyOf({ keyring }: Pick<Keys, 'keyring'>): SecretKey {
  return keyring.active.keyFor('pageCursor');
}
