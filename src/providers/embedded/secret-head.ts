import { invalidCiphertext } from '../../crypto/aead.ts';
import type { Keyring } from '../../crypto/keyring.ts';
import { macRow, verifyRow } from '../../crypto/row-mac.ts';
import type { RootKey } from '../../crypto/root-keys.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { Expectation } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';

/** The head of a secret's versions: which one is current, and the highest number ever given. */
export type SecretHead = Tables['secrets'];
type HeadFields = Omit<SecretHead, 'mac'>;

const TABLE = 'secrets';

export function signHead(rootKey: RootKey, fields: HeadFields): SecretHead {
  return { ...fields, mac: macRow(rootKey.keyFor('rowMac'), TABLE, fields) };
}

/** Accepts a MAC of any root key in memory: a rotation of the root re-signs rows in the background. @throws ERR_CIPHERTEXT_INVALID */
export function verifyHead(keyring: Keyring, row: SecretHead): SecretHead {
  const { mac, ...fields } = row;
  const older = keyring.ids().filter((id) => id !== keyring.active.id);
  for (const id of [keyring.active.id, ...older]) {
    if (isSignedBy(keyring.find(id), fields, mac)) return row;
  }
  throw invalidCiphertext(new Error('the head of a secret is not as it was written'));
}

function isSignedBy(rootKey: RootKey | undefined, fields: HeadFields, mac: Uint8Array): boolean {
  if (rootKey === undefined) return false;
  try {
    verifyRow(rootKey.keyFor('rowMac'), TABLE, fields, mac);
    return true;
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return false;
    throw error;
  }
}

/** That the secret's versions are still as a staged write found them. Not the MAC: re-signing a row changes nothing for a writer. */
export function expectHead(path: string, head: SecretHead | undefined): Expectation {
  const key = { path };
  if (head === undefined) return { table: TABLE, key, absent: true };
  const { id, last_version, current_version } = head;
  return { table: TABLE, key, match: { id, last_version, current_version } };
}
