import { invalidCiphertext } from '../aead/aead.ts';
import { parseVerifierKey, splitNote, type NoteVerifier } from './signed-note.ts';

/** Signature type of Ed25519 cosignatures in C2SP tlog-cosignature. */
const COSIGNATURE_V1 = 4;
const TIME_BYTES = 8;

/** A statement of a witness: at this time it saw this tree, and it has seen none that contradicts it. */
export interface Cosignature {
  readonly witness: NoteVerifier;
  /** Seconds since the epoch, by the clock of the witness. */
  readonly time: number;
  /** The signature line, without its newline. */
  readonly line: string;
}

/** The key of a witness: `name+hex(key ID)+base64(04, public key)`. @throws ERR_CIPHERTEXT_INVALID */
export function parseWitnessKey(text: string): NoteVerifier {
  return parseVerifierKey(text, COSIGNATURE_V1);
}

/** The bytes that a witness signs: the time, and the whole text of the checkpoint. */
export function cosignedMessage(time: number, text: string): Buffer {
  return Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
}

/**
 * The cosignatures of a note by known witnesses, one of each. Signatures of others are ignored; one of a known witness that does not verify refuses
 * the whole note. @throws ERR_CIPHERTEXT_INVALID
 */
export function cosignaturesOf(
  note: string,
  witnesses: readonly NoteVerifier[],
): readonly Cosignature[] {
  const { text, signatures } = splitNote(note);
  const found = new Map<NoteVerifier, Cosignature>();
  for (const { line, name, keyId, signature } of signatures) {
    const witness = witnesses.find((each) => each.name === name && keyId.equals(each.keyId));
    if (witness === undefined) continue;
    if (signature.length < TIME_BYTES) throw invalidCiphertext();
    const time = Number(signature.readBigUInt64BE());
    const message = cosignedMessage(time, text);
    if (
      !Number.isSafeInteger(time) ||
      !witness.key.verifies(message, signature.subarray(TIME_BYTES))
    )
      throw invalidCiphertext();
    found.set(witness, found.get(witness) ?? { witness, time, line });
  }
  return [...found.values()];
}
