import { createPublicKey, type KeyObject } from 'node:crypto';
import type { SenderKey } from '../../domain/identity/sender-key.ts';
import { sha256 } from '../hashes/digest.ts';

/** Imported once a session: to check that a point is on the curve costs as much as to check a signature. */
const imported = new WeakMap<SenderKey, KeyObject>();

/** The key with these coordinates; whether they are a point of the curve is asked when it is imported. */
export function senderKey({ x, y }: Pick<SenderKey, 'x' | 'y'>): SenderKey {
  return { x, y, thumbprint: sha256(senderKeyText({ x, y })).toString('base64url') };
}

/** The canonical JWK of RFC 7638 §3.2: what its thumbprint is of, and what the store keeps. */
export function senderKeyText({ x, y }: Pick<SenderKey, 'x' | 'y'>): string {
  return `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
}

/** For signatures and key agreement; undefined if the coordinates are not a point of the curve (CVE-2015-7940). */
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
