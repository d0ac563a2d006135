import type { AuthLog } from '../auth-log.ts';
import { readJwk } from './read-jwk.ts';
import type { TrustedKey } from './trusted-key.ts';

const MOST_KEYS = 100;

/**
 * The usable keys of a JWK set (RFC 7517 §5) by `kid`; the others are logged and skipped.
 * @throws Error if it is not a key set, has over 100 keys, or has no usable key.
 */
export async function readJwks(
  document: unknown,
  log: AuthLog,
): Promise<ReadonlyMap<string, TrustedKey>> {
  const entries = entriesOf(document);
  const trusted = new Map<string, TrustedKey>();
  for (const [index, entry] of entries.entries()) {
    const key = await readJwk(entry);
    const reason = typeof key === 'string' ? key : trusted.has(key.kid) ? 'duplicate_kid' : '';
    if (typeof key !== 'string' && reason === '') trusted.set(key.kid, key);
    else log.warn({ index, reason }, 'a key of the set is not used');
  }
  if (trusted.size === 0) throw new Error('the key set has no usable key');
  return trusted;
}

function entriesOf(document: unknown): readonly unknown[] {
  const keys: unknown =
    typeof document === 'object' && document !== null && 'keys' in document
      ? document.keys
      : undefined;
  if (!Array.isArray(keys)) throw new Error('the answer is not a key set');
  if (keys.length > MOST_KEYS) throw new Error('the key set has over 100 keys');
  return keys;
}
