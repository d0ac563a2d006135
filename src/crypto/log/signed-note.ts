import { invalidCiphertext } from '../aead/aead.ts';
import { decodeBase64 } from '../random/base64.ts';
import { sha256 } from '../hashes/digest.ts';
import { VerifyingKey, type SigningKey } from '../signatures/signing.ts';

/** Signature type of Ed25519 in C2SP signed-note. */
const ED25519 = 1;
const KEY_ID_BYTES = 4;
const MAX_NOTE_LENGTH = 262_144;
const MAX_SIGNATURES = 32;
const SIGNATURE_LINE = /^\u2014 ([^\s\u0085+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const VERIFIER_KEY = /^([^\s\u0085+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
// oxlint-disable-next-line no-control-regex -- the note format forbids exactly these
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** A key and the name under which it signs notes (C2SP signed-note v1.0.0). */
export interface NoteSigner {
  readonly name: string;
  readonly key: SigningKey;
}

/** Name, key ID and public key of one signer, as a reader configures them. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly key: VerifyingKey;
}

/** First four bytes of SHA-256(name, newline, signature type, public key). */
export function noteKeyId(name: string, publicKey: Uint8Array, type = ED25519): Buffer {
  return sha256(`${name}\n`, Uint8Array.of(type), publicKey).subarray(0, KEY_ID_BYTES);
}

/** `name+hex(key ID)+base64(type, public key)`: the one line that readers of a log configure. */
export function verifierKeyText(name: string, publicKey: Uint8Array, type = ED25519): string {
  const encoded = Buffer.concat([Uint8Array.of(type), publicKey]).toString('base64');
  return `${name}+${noteKeyId(name, publicKey, type).toString('hex')}+${encoded}`;
}

/** @throws ERR_CIPHERTEXT_INVALID unless the text is a canonical Ed25519 verifier key of this type whose ID is right. */
export function parseVerifierKey(text: string, type = ED25519): NoteVerifier {
  const [, name = '', keyId = '', encoded = ''] = VERIFIER_KEY.exec(text) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes?.[0] !== type || bytes.length !== 33) throw invalidCiphertext();
  const publicKey = bytes.subarray(1);
  if (noteKeyId(name, publicKey, type).toString('hex') !== keyId) throw invalidCiphertext();
  return { name, keyId: Buffer.from(keyId, 'hex'), key: new VerifyingKey(publicKey) };
}

/** Signs `text`, which ends in a newline, as a note. @throws TypeError for a text or name that the format cannot carry. */
export function signNote(text: string, signer: NoteSigner): string {
  if (!isNoteText(text))
    throw new TypeError('a note is Unicode text without control characters that ends in a newline');
  if (!/^[^\s\u0085+]+$/u.test(signer.name))
    throw new TypeError('a key name has neither spaces nor plus signs');
  const signature = signer.key.sign(Buffer.from(text));
  const encoded = Buffer.concat([noteKeyId(signer.name, signer.key.publicKey), signature]).toString(
    'base64',
  );
  return `${text}\n\u2014 ${signer.name} ${encoded}\n`;
}

/**
 * The text of a note that at least one of `verifiers` signed. Signatures of others are ignored; one of a known key that
 * does not verify refuses the whole note. @throws ERR_CIPHERTEXT_INVALID
 */
export function openNote(note: string, verifiers: readonly NoteVerifier[]): string {
  const { text, signatures } = splitNote(note);
  const message = Buffer.from(text);
  let verified = 0;
  for (const { name, keyId, signature } of signatures) {
    const known = verifiers.find(
      (verifier) => verifier.name === name && keyId.equals(verifier.keyId),
    );
    if (known === undefined) continue;
    if (!known.key.verifies(message, signature)) throw invalidCiphertext();
    verified += 1;
  }
  if (verified === 0) throw invalidCiphertext();
  return text;
}

export interface NoteSignature {
  /** The signature line as it is in the note, without its newline. */
  readonly line: string;
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

/** Splits a note without verifying it: the parts are attacker-controlled. @throws ERR_CIPHERTEXT_INVALID */
export function splitNote(note: string): {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
} {
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  if (split < 1 || note.length > MAX_NOTE_LENGTH || !note.endsWith('\n') || !isNoteText(text))
    throw invalidCiphertext();
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw invalidCiphertext();
  return { text, signatures: lines.map(parseSignatureLine) };
}

function parseSignatureLine(line: string): NoteSignature {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES) throw invalidCiphertext();
  const signature = bytes.subarray(KEY_ID_BYTES);
  return { line, name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature };
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && text.isWellFormed() && !CONTROL.test(text);
}
