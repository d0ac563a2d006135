import { openCheckpoint } from '../../crypto/log/checkpoint.ts';
import { cosignaturesOf, type Cosignature } from '../../crypto/log/cosignature.ts';
import type { NoteVerifier } from '../../crypto/log/signed-note.ts';
import { BrokerError } from '../../domain/errors.ts';
import type { RowReader, Write } from '../../ports/store.ts';
import type { SignedCheckpoint } from './stored-tree.ts';

const KEY = 'audit-witnessed';

/** A checkpoint with the cosignatures of enough witnesses. */
export interface WitnessedCheckpoint extends SignedCheckpoint {
  /** Cosignatures of known witnesses. */
  readonly cosignatures: readonly Cosignature[];
}

/** The row that keeps the newest witnessed checkpoint. Its signatures authenticate it, so it has no MAC. */
export function witnessedWrite(note: string): Write {
  return { table: 'meta', put: { key: KEY, value: note } };
}

/** The note in the store. Attacker-controlled until it is opened. */
async function storedWitnessedNote(store: RowReader): Promise<string | undefined> {
  return (await store.get('meta', { key: KEY }))?.value;
}

/** @throws ERR_CIPHERTEXT_INVALID unless the log signed it, and every cosignature of a known witness verifies. */
export function openWitnessed(
  note: string,
  log: NoteVerifier,
  witnesses: readonly NoteVerifier[],
): WitnessedCheckpoint {
  const checkpoint = openCheckpoint(note, log.name, [log]);
  return { ...checkpoint, note, cosignatures: cosignaturesOf(note, witnesses) };
}

/**
 * The newest witnessed checkpoint in the store; undefined if there is none. A row that the log did not sign is ignored: the broker gets a new
 * cosignature instead.
 */
export async function storedWitnessed(
  store: RowReader,
  log: NoteVerifier,
  witnesses: readonly NoteVerifier[],
): Promise<WitnessedCheckpoint | undefined> {
  const note = await storedWitnessedNote(store);
  if (note === undefined) return undefined;
  try {
    return openWitnessed(note, log, witnesses);
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'ERR_CIPHERTEXT_INVALID') return undefined;
    throw error;
  }
}
