import { sha256Hex } from '../../crypto/hashes/digest.ts';
import { SECURITY_KEYS } from '../../ports/queries.ts';
import type { Tables } from '../../ports/tables.ts';
import type { Storage } from './dependencies.ts';
import type { AuthenticatedRows } from '../kernel/row-macs.ts';

/** A passkey or security key of a person. */
export interface SecurityKey {
  readonly id: string;
  /** Name of the person, `oidc:<issuer>/<subject>`. */
  readonly person: string;
  /** The address of the issuer: a name that is configured for another issuer later has other people. */
  readonly issuerUrl: string;
  readonly label: string;
  readonly credentialId: string;
  /** COSE key in base64url. */
  readonly publicKey: string;
  readonly counter: number;
  readonly createdAt: number;
  readonly usedAt?: number | undefined;
}

type Row = Tables['security_keys'];
type Body = Omit<SecurityKey, 'id' | 'person' | 'counter'>;

/** Limit of keys that are read, more than a person may have. */
const MOST_READ = 100;
const ID_DIGITS = 32;

/** The primary key of the row of a credential, so that a credential has one row at most. */
export function keyIdOf(credentialId: string): string {
  return `key_${sha256Hex(credentialId).slice(0, ID_DIGITS)}`;
}

/** The keys of a person, the oldest first. @throws ERR_CIPHERTEXT_INVALID */
export async function listSecurityKeys(
  { store, rows }: Storage & AuthenticatedRows,
  person: string,
): Promise<readonly SecurityKey[]> {
  const found = await store.list(SECURITY_KEYS.ofPerson(person), { limit: MOST_READ });
  const keys = found.map((row) => openKey({ rows }, row));
  return keys.sort((a, b) => a.createdAt - b.createdAt);
}

/** @throws ERR_CIPHERTEXT_INVALID */
export async function findKey(
  { store, rows }: Storage & AuthenticatedRows,
  id: string,
): Promise<SecurityKey | undefined> {
  const row = await store.get('security_keys', { id });
  return row && openKey({ rows }, row);
}

export function authenticateKey(
  { rows }: AuthenticatedRows,
  { id, person, counter, ...body }: SecurityKey,
): Row {
  const fields = { id, person, body: JSON.stringify(body satisfies Body), counter };
  return { ...fields, mac: rows.mac('security_keys', fields) };
}

/** @throws ERR_CIPHERTEXT_INVALID for a row that the broker did not write */
function openKey({ rows }: AuthenticatedRows, { mac, ...fields }: Row): SecurityKey {
  rows.verify('security_keys', fields, mac);
  const { id, person, counter } = fields;
  return { id, person, counter, ...(JSON.parse(fields.body) as Body) };
}
