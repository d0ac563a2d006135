/**
 * All domain-separation labels, and all encodings that are authenticated but not stored (internals/spec/envelope-v1.md). The reader computes associated
 * data from the place where it reads, never from the bytes that it reads there.
 */
const LABELS = {
  secretValue: 'quaymaster/v1/secret-value',
  dataKey: 'quaymaster/v1/data-key',
  credential: 'quaymaster/v1/credential',
  rotation: 'quaymaster/v1/rotation',
  wrappedAnswer: 'quaymaster/v1/wrapped-answer',
  enrolment: 'quaymaster/v1/enrolment',
  lookupKeys: 'quaymaster/v1/lookup-keys',
  rootKey: 'quaymaster/v1/root-key',
  rootKeyCommitment: 'quaymaster/v1/root-key-commitment',
  row: 'quaymaster/v1/row',
  stateDigest: 'quaymaster/v1/state-digest',
  cursor: 'quaymaster/v1/page-cursor',
  localFileWrap: 'quaymaster/v1/local-file-kek/wrap',
  localFileId: 'quaymaster/v1/local-file-kek/id',
} as const;

/** Labels of the keys that are derived from a root key, by purpose (internals/spec/root-keys-v1.md). */
const DERIVED_KEY_LABELS = {
  dataKeyWrap: 'quaymaster/v1/derive/data-key-wrap',
  credential: 'quaymaster/v1/derive/credential',
  rotation: 'quaymaster/v1/derive/rotation',
  wrappedAnswer: 'quaymaster/v1/derive/wrapped-answer',
  enrolment: 'quaymaster/v1/derive/enrolment',
  lookupKeys: 'quaymaster/v1/derive/lookup-keys',
  sessionToken: 'quaymaster/v1/derive/session-token',
  operatorToken: 'quaymaster/v1/derive/operator-token',
  rowMac: 'quaymaster/v1/derive/row-mac',
  stateDigest: 'quaymaster/v1/derive/state-digest',
  valueFingerprint: 'quaymaster/v1/derive/value-fingerprint',
  pathFingerprint: 'quaymaster/v1/derive/path-fingerprint',
  versionDigest: 'quaymaster/v1/derive/version-digest',
  idempotencyKey: 'quaymaster/v1/derive/idempotency-key',
  pageCursor: 'quaymaster/v1/derive/page-cursor',
} as const;

export type KeyPurpose = keyof typeof DERIVED_KEY_LABELS;

/** The purposes whose keys stay the same when the root key changes, in the order in which they are stored. */
export const LOOKUP_PURPOSES = [
  'sessionToken',
  'operatorToken',
  'valueFingerprint',
  'pathFingerprint',
  'versionDigest',
  'idempotencyKey',
] as const satisfies readonly KeyPurpose[];
export type LookupPurpose = (typeof LOOKUP_PURPOSES)[number];

declare const made: unique symbol;
/** Bytes that name a place. Only this file makes them, so a raw buffer does not type-check as associated data. */
export type AssociatedData = Uint8Array & { readonly [made]: true };

/** The place of one version of a secret. The reader computes it and never takes it from the row that it opens. */
export interface SecretPlace {
  readonly installation: string;
  /** Random and never reused: a secret that is deleted and created again has another place. */
  readonly secretId: string;
  readonly path: string;
  /** Counts from 1; never reused. */
  readonly version: number;
}

/** The purposes of keys that encrypt columns of rows. */
export type ColumnPurpose =
  | 'credential'
  | 'rotation'
  | 'wrappedAnswer'
  | 'enrolment'
  | 'lookupKeys';

/** The place of an encrypted column. */
export interface ColumnPlace {
  readonly purpose: ColumnPurpose;
  readonly installation: string;
  /** Name the row, and the column if the row has several: never reused. Empty if the installation has one such row. */
  readonly names: readonly string[];
}

export type Field = string | number | Uint8Array;

const LENGTH_BYTES = 4;
/** UTF-8 needs at most this many bytes for one UTF-16 code unit. */
const BYTES_A_UNIT = 3;
const INTEGER_BYTES = 8;

/** An upper bound for the bytes of a field: measuring text exactly costs as much as writing it. */
function roomFor(field: Field): number {
  if (typeof field === 'string') return field.length * BYTES_A_UNIT;
  return typeof field === 'number' ? INTEGER_BYTES : field.length;
}

/** @returns the number of bytes written. */
function write(target: Buffer, offset: number, field: Field): number {
  if (typeof field === 'string') {
    // Encoding would replace a lone surrogate by U+FFFD, and two texts would have the same bytes.
    if (!field.isWellFormed()) throw new TypeError('text that is not Unicode has no encoding');
    return target.write(field, offset);
  }
  if (typeof field === 'number') {
    if (!Number.isSafeInteger(field) || field < 0)
      throw new RangeError('an integer field is out of range');
    target.writeBigUInt64BE(BigInt(field), offset);
    return INTEGER_BYTES;
  }
  target.set(field, offset);
  return field.length;
}

/** Encodes each field as its length in four bytes and its bytes; an integer is eight bytes, big-endian. Injective for a given list of types. */
function encodeFields(fields: readonly Field[]): Buffer {
  const text = asciiFields(fields);
  if (text !== undefined) return Buffer.from(text, 'latin1');
  let most = 0;
  for (const field of fields) most += LENGTH_BYTES + roomFor(field);
  const encoded = Buffer.allocUnsafe(most);
  let offset = 0;
  for (const field of fields) {
    const length = write(encoded, offset + LENGTH_BYTES, field);
    encoded.writeUInt32BE(length, offset);
    offset += LENGTH_BYTES + length;
  }
  return encoded.subarray(0, offset);
}

const ASCII = /^[\0-\x7f]*$/;
const ASCII_END = 0x80;
const ZEROS = '\0'.repeat(INTEGER_BYTES - 1);
/** MACs and hashes are shorter. Longer bytes are copied once only by a write into a buffer. */
const SHORT_BYTES = 64;

/**
 * The same bytes as one text with a character for each, if all text is ASCII. A write into a buffer for each field costs four times as much (measured: 8
 * against 2 microseconds for the message of a lease).
 */
function asciiFields(fields: readonly Field[]): string | undefined {
  let text = '';
  for (const field of fields) {
    const bytes = asciiField(field);
    if (bytes === undefined) return undefined;
    text += lengthBytes(bytes.length) + bytes;
  }
  return text;
}

function asciiField(field: Field): string | undefined {
  if (typeof field === 'string') return ASCII.test(field) ? field : undefined;
  if (typeof field !== 'number')
    return field.length > SHORT_BYTES ? undefined : bytesOf(field).toString('latin1');
  const isByte = Number.isInteger(field) && field >= 0 && field < ASCII_END;
  return isByte ? ZEROS + String.fromCharCode(field) : undefined;
}

function bytesOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Four bytes, big-endian. */
function lengthBytes(length: number): string {
  if (length < ASCII_END) return `\0\0\0${String.fromCharCode(length)}`;
  const [high, low] = [length >>> 16, length & 0xffff];
  return String.fromCharCode(high >>> 8, high & 0xff, low >>> 8, low & 0xff);
}

const associatedData = (...fields: readonly Field[]): AssociatedData =>
  encodeFields(fields) as Uint8Array as AssociatedData;

export function secretValueData(place: SecretPlace): AssociatedData {
  return associatedData(
    LABELS.secretValue,
    place.installation,
    place.secretId,
    place.path,
    place.version,
  );
}

export function dataKeyData(place: SecretPlace, rootKeyId: string): AssociatedData {
  return associatedData(
    LABELS.dataKey,
    place.installation,
    place.secretId,
    place.path,
    place.version,
    rootKeyId,
  );
}

export function columnData(
  { purpose, installation, names }: ColumnPlace,
  rootKeyId: string,
): AssociatedData {
  return associatedData(LABELS[purpose], installation, ...names, rootKeyId);
}

export function rootKeyData(
  installation: string,
  rootKeyId: string,
  kekId: string,
): AssociatedData {
  return associatedData(LABELS.rootKey, installation, rootKeyId, kekId);
}

/** The associated data of a page cursor: a cursor is valid only for the list that returned it. */
export function cursorData(list: string): AssociatedData {
  return associatedData(LABELS.cursor, list);
}

/** Bytes that a key in a file authenticates: the associated data of the port, under a label of its own. */
export function localFileData(given: Uint8Array): AssociatedData {
  return associatedData(LABELS.localFileWrap, given);
}

/** HKDF `info` of a key derived from a root key. */
export function derivedKeyInfo(purpose: KeyPurpose): Buffer {
  return encodeFields([DERIVED_KEY_LABELS[purpose]]);
}

/** HKDF `info` of a root key's commitment. */
export function commitmentInfo(installation: string, rootKeyId: string): Buffer {
  return encodeFields([LABELS.rootKeyCommitment, installation, rootKeyId]);
}

/** HKDF `info` of the two results derived from a key file: its wrapping key and its id. */
export function localFileInfo(use: 'wrap' | 'id'): Buffer {
  return encodeFields([use === 'wrap' ? LABELS.localFileWrap : LABELS.localFileId]);
}

/** The message of the short digest over the rows of one kind. */
export function stateDigestMessage(
  kind: string,
  generation: number,
  count: number,
  state: Uint8Array,
): Buffer {
  return encodeFields([LABELS.stateDigest, kind, generation, count, state]);
}

/** The message of a row's MAC: the table, the number of columns, and the name, type and value of each. */
export function rowMessage(table: string, columns: number, cells: readonly Field[]): Buffer {
  return encodeFields([LABELS.row, table, columns, ...cells]);
}
