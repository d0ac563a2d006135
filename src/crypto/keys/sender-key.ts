import { createPublicKey, type KeyObject } from 'node:crypto';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import { sha256 } from '../hashes/digest.ts';

/** Imported keys, one import for each session: checking that a point is on the curve costs as much as checking a signature. */
const imported = new WeakMap<SenderKey, KeyObject>();

/** The key with these coordinates. `importSenderKey` checks that they are a point of the curve. */
export function senderKey({ x, y }: Pick<SenderKey, 'x' | 'y'>): SenderKey {
  return { x, y, thumbprint: sha256(senderKeyText({ x, y })).toString('base64url') };
}

/** The canonical JWK of RFC 7638 §3.2: the thumbprint is computed over it, and the store keeps it. */
export function senderKeyText({ x, y }: Pick<SenderKey, 'x' | 'y'>): string {
  return `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
}

/** Imports a key for signatures and key agreement; undefined if the coordinates are not a point of the curve (CVE-2015-7940). */
export function importSenderKey(key: SenderKey): KeyObject | undefined {
  const known = imported.get(key);
  if (known !== undefined) return known;
  try {
    const { x, y } = key;
    const made = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
    imported.set(key, made);
    return made;
  } catch {
    return undefined;
  }
}
