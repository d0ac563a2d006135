import { BrokerError } from '../../domain/errors.ts';
import { decrypt, encrypt } from '../../crypto/aead/aead.ts';
import type { SecretKey } from '../../crypto/random/secret-key.ts';
import { cursorData } from '../../crypto/aead/associated-data.ts';
import type { Keys } from './dependencies.ts';

/**
 * Encodes the `next` of a page. The cursor is encrypted, because its position may be a name that the caller must not learn. It is
 * valid only for the list that produced it, so a caller cannot page from a position that it chose.
 */
export function encodeCursor(
  parts: Pick<Keys, 'keyring'>,
  list: string,
  position: unknown,
): string {
  const plaintext = Buffer.from(JSON.stringify(position));
  const key = parts.keyring.active.encryptionKeyFor('pageCursor');
  return encrypt(key, plaintext, cursorData(list)).toString('base64url');
}

/** @throws ERR_REQUEST_INVALID for a cursor that this installation did not issue for this list. */
export function decodeCursor(
  parts: Pick<Keys, 'keyring'>,
  list: string,
  cursor: string | undefined,
): unknown {
  if (cursor === undefined) return undefined;
  const sealed = Buffer.from(cursor, 'base64url');
  // A list that was begun before the root key changed can be continued.
  for (const root of parts.keyring.newestFirst()) {
    const plaintext = opened(root.keyFor('pageCursor'), sealed, list);
    if (plaintext !== undefined) return JSON.parse(plaintext.toString()) as unknown;
  }
  const detail = '"after" is not a cursor that this list returned';
  throw new BrokerError('ERR_REQUEST_INVALID', detail, { reason: 'bad_cursor' });
}

function opened(key: SecretKey, sealed: Uint8Array, list: string): Buffer | undefined {
  try {
    return decrypt(key, sealed, cursorData(list));
  } catch {
    return undefined;
  }
}
