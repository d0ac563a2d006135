import type { ColumnPlace } from '../../crypto/aead/associated-data.ts';
import { decryptColumn, encryptColumn } from '../../crypto/keys/encrypted-column.ts';
import type { RootKey } from '../../crypto/keys/root-keys.ts';
import type { ColumnValue, TableName } from '../../ports/store.ts';
import { shapeOf } from '../../ports/tables.ts';

interface ColumnKeys {
  readonly keyring: { readonly active: RootKey; find(id: string): RootKey | undefined };
  readonly installation: string;
}

/** A column that its table declares as encrypted, and the columns of the row that name it. */
export interface ColumnAt {
  readonly table: TableName;
  readonly column: string;
  readonly row: Readonly<Record<string, ColumnValue>>;
}

/** Names the encrypted columns of a table. */
export function encryptedColumns(table: TableName): readonly string[] {
  return Object.keys(shapeOf(table).encrypted ?? {});
}

/** Encrypts a value for its column under the active root key. */
export function encryptAt(keys: ColumnKeys, at: ColumnAt, plaintext: Uint8Array): Buffer {
  return encryptColumn(keys.keyring.active, placeOf(keys, at), plaintext);
}

/** @throws ERR_CIPHERTEXT_INVALID, the same error for every cause. */
export function decryptAt(keys: ColumnKeys, at: ColumnAt, encrypted: Uint8Array): Buffer {
  return decryptColumn((id) => keys.keyring.find(id), placeOf(keys, at), encrypted);
}

function placeOf({ installation }: ColumnKeys, { table, column, row }: ColumnAt): ColumnPlace {
  const declared = shapeOf(table).encrypted?.[column];
  if (declared === undefined) throw new TypeError(`${table}.${column} is not encrypted`);
  const { purpose, names, slot } = declared;
  const values = names.map((name) => {
    const value = row[name];
    if (typeof value !== 'string') throw new TypeError(`${table}.${name} is not a text`);
    return value;
  });
  return { purpose, installation, names: slot === undefined ? values : [...values, slot] };
}
