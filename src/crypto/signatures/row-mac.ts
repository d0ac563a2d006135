import { invalidCiphertext } from '../aead/aead.ts';
import { rowMessage, type Field } from '../aead/associated-data.ts';
import { constantTimeEqual, hmac, hmacText } from '../hashes/digest.ts';
import type { SecretKey } from '../random/secret-key.ts';

/** The value of a column. Integers are numbers or bigints; a boolean is 0 or 1, an instant milliseconds, a document its text. */
export type RowValue = string | number | bigint | Uint8Array | null;
/** Column name → value: every column that a decision depends on, including the primary key and the revision. */
export type CanonicalFields = Readonly<Record<string, RowValue>>;

/** Makes MACs under the active root key of an installation, and accepts those of all its root keys. */
export interface RowMacs {
  /** @throws ERR_SEALED when the broker has forgotten its keys. */
  mac(table: string, fields: CanonicalFields): Buffer;
  /** @throws ERR_CIPHERTEXT_INVALID for a row whose MAC no root key of the installation made, ERR_SEALED. */
  verify(table: string, fields: CanonicalFields, mac: Uint8Array): void;
}

const VERSION = Buffer.of(1);

/** Adds the type and the value of a column to a message. */
function addCell(cells: Field[], value: RowValue): void {
  if (value === null) cells.push('null', '');
  else if (typeof value === 'string') cells.push('text', value);
  else if (typeof value === 'bigint') cells.push('integer', value.toString());
  else if (typeof value !== 'number') cells.push('bytes', value);
  else if (Number.isSafeInteger(value)) cells.push('integer', String(value));
  else throw new RangeError('a number in a row must be a safe integer');
}

function message(table: string, fields: CanonicalFields): Buffer {
  const names = Object.keys(fields).sort();
  const cells: Field[] = [];
  for (const name of names) {
    cells.push(name);
    addCell(cells, fields[name] ?? null);
  }
  return rowMessage(table, names.length, cells);
}

/** 33 bytes: version byte 1 and HMAC-SHA256 over table, column names, types and values; internals/spec/row-mac-v1.md. */
export function macRow(key: SecretKey, table: string, fields: CanonicalFields): Buffer {
  return Buffer.concat([VERSION, hmac(key, message(table, fields))]);
}

/** HMAC-SHA256 over the same message, under a key of another purpose: the element that a row is in a set hash, one character for each byte. */
export function rowElement(key: SecretKey, table: string, fields: CanonicalFields): string {
  return hmacText(key, message(table, fields));
}

/** Refuses a row that was edited, moved to another table or inserted by hand. @throws ERR_CIPHERTEXT_INVALID */
export function verifyRow(
  key: SecretKey,
  table: string,
  fields: CanonicalFields,
  mac: Uint8Array,
): void {
  if (!matches(key, table, fields, mac)) throw invalidCiphertext();
}

function matches(key: SecretKey, table: string, fields: CanonicalFields, mac: Uint8Array): boolean {
  try {
    return constantTimeEqual(macRow(key, table, fields), mac);
  } catch (cause) {
    // A row without an encoding (a fraction, a lone surrogate) was not written by the broker.
    throw invalidCiphertext(cause);
  }
}
