import { invalidCiphertext } from './aead.ts';
import { decodeBase64 } from './base64.ts';
import { sha256 } from './digest.ts';
import { VerifyingKey, type SigningKey } from './signing.ts';

/** Signature type of Ed25519 in C2SP signed-note. */
const ED25519 = 1;
const KEY_ID_BYTES = 4;
const MAX_NOTE_LENGTH = 262_144;
const MAX_SIGNATURES = 32;
const SIGNATURE_LINE = /^\u2014 ([^\s\u0085+]+) ([A-Za-z0-9+/]+={0,2})$/u;
const VERIFIER_KEY = /^([^\s\u0085+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/u;
// eslint-disable-next-line no-control-regex -- the note format forbids exactly these
const CONTROL = /[\u0000-\u0009\u000b-\u001f]/;

/** A key with the name under which it signs notes (C2SP signed-note v1.0.0). */
export interface NoteSigner {
  readonly name: string;
  readonly key: SigningKey;
}

/** What a reader is configured with: name, key ID and public key of one signer. */
export interface NoteVerifier {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly key: VerifyingKey;
}

/** First four bytes of SHA-256(name, newline, signature type, public key). */
export function noteKeyId(name: string, publicKey: Uint8Array): Buffer {
  return sha256(`${name}\n`, Uint8Array.of(ED25519), publicKey).subarray(0, KEY_ID_BYTES);
}

/** `name+hex(key ID)+base64(type, public key)`, the one line that readers of a log are given. */
export function verifierKeyText(name: string, publicKey: Uint8Array): string {
  const encoded = Buffer.concat([Uint8Array.of(ED25519), publicKey]).toString('base64');
  return `${name}+${noteKeyId(name, publicKey).toString('hex')}+${encoded}`;
}

/** @throws ERR_CIPHERTEXT_INVALID unless the text is a canonical Ed25519 verifier key whose ID is right. */
export function parseVerifierKey(text: string): NoteVerifier {
  const [, name = '', keyId = '', encoded = ''] = VERIFIER_KEY.exec(text) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes?.[0] !== ED25519 || bytes.length !== 33) throw invalidCiphertext();
  const publicKey = bytes.subarray(1);
  if (noteKeyId(name, publicKey).toString('hex') !== keyId) throw invalidCiphertext();
  return { name, keyId: Buffer.from(keyId, 'hex'), key: new VerifyingKey(publicKey) };
}

/** The note of `text`, which ends in a newline. @throws TypeError for a text or name that the format cannot carry. */
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
  // attacker-controlled until a signature has verified
  const split = note.lastIndexOf('\n\n');
  const text = note.slice(0, split + 1);
  if (split < 1 || note.length > MAX_NOTE_LENGTH || !note.endsWith('\n') || !isNoteText(text))
    throw invalidCiphertext();
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw invalidCiphertext();
  const message = Buffer.from(text);
  let verified = 0;
  for (const line of lines) {
    const { name, keyId, signature } = parseSignatureLine(line);
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

interface SignatureLine {
  readonly name: string;
  readonly keyId: Buffer;
  readonly signature: Buffer;
}

function parseSignatureLine(line: string): SignatureLine {
  const [, name = '', encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || bytes.length <= KEY_ID_BYTES) throw invalidCiphertext();
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

function isNoteText(text: string): boolean {
  return text.endsWith('\n') && text.isWellFormed() && !CONTROL.test(text);
}
