import { invalidCiphertext, open, seal } from './aead.ts';
import { rotationData, type RotationPlace } from './associated-data.ts';
import type { FindRootKey } from './envelope.ts';
import type { RootKey } from './root-keys.ts';

const VERSION = 1;
const ID_START = 2;

/**
 * A value that a rotation keeps, in one column: version byte 1, length and text of the root key's id, and AES-256-GCM under a key derived from
 * it; docs/spec/envelope-v1.md.
 */
export function sealRotation(
  rootKey: RootKey,
  place: RotationPlace,
  plaintext: Uint8Array,
): Buffer {
  const id = Buffer.from(rootKey.id);
  const sealed = seal(rootKey.keyFor('rotation'), plaintext, rotationData(place, rootKey.id));
  return Buffer.concat([Buffer.of(VERSION, id.length), id, sealed]);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same whatever is wrong. */
export function openRotation(
  findRootKey: FindRootKey,
  place: RotationPlace,
  sealed: Uint8Array,
): Buffer {
  const bodyStart = ID_START + (sealed[1] ?? 0);
  if (sealed[0] !== VERSION || bodyStart > sealed.length) throw invalidCiphertext();
  const rootKey = findRootKey(Buffer.from(sealed.subarray(ID_START, bodyStart)).toString());
  if (rootKey === undefined)
    throw invalidCiphertext(new Error('the root key is not in the keyring'));
  return open(
    rootKey.keyFor('rotation'),
    sealed.subarray(bodyStart),
    rotationData(place, rootKey.id),
  );
}
