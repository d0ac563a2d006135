import type { Keys, Storage } from '../broker/state/dependencies.ts';
import { decryptAt, encryptAt, type ColumnAt } from '../broker/kernel/encrypted-columns.ts';
import type { RotationProgress } from '../domain/rotation/rotation-progress.ts';
import type { SecretData } from '../domain/secrets/secret.ts';
import type { Expectation, Store, Write } from '../ports/store.ts';
import type { Tables } from '../ports/tables.ts';
import { ROTATION_STEPS } from '../ports/queries.ts';

export type RotationRow = Tables['rotations'];
export type ScheduleRow = Tables['rotation_schedules'];
export type StepRow = Tables['rotation_steps'];

type Slot = 'pending' | 'previous';

export function progressOf({ state, step, attempts }: RotationRow): RotationProgress {
  return { state, step, attempts };
}

/** Encrypts a value for its column; the associated data names the installation, the rotation, the path and the slot. */
export function encryptedValue(
  parts: Keys,
  row: Pick<RotationRow, 'id' | 'path'>,
  slot: Slot,
  data: SecretData,
): Uint8Array {
  const plaintext = Buffer.from(JSON.stringify(data));
  const encrypted = encryptAt(parts, placeOf(row, slot), plaintext);
  plaintext.fill(0);
  return encrypted;
}

/**
 * Decrypts a column. @throws ERR_CIPHERTEXT_INVALID if it was written for another row or column.
 * @throws ERR_CIPHERTEXT_INVALID for a column that was not written for this place.
 */
export function openSlot(parts: Keys, row: RotationRow, slot: Slot): SecretData | undefined {
  const encrypted = row[slot];
  if (encrypted === null) return undefined;
  const plaintext = decryptAt(parts, placeOf(row, slot), encrypted);
  const data = JSON.parse(plaintext.toString()) as SecretData;
  plaintext.fill(0);
  return data;
}

export function placeOf({ id, path }: Pick<RotationRow, 'id' | 'path'>, column: Slot): ColumnAt {
  return { table: 'rotations', column, row: { id, path } };
}

/** Expects that no process worked on the rotation and no operator changed it since the row was read. */
export function rotationUnchanged({ id, epoch, state, step }: RotationRow): Expectation {
  return { table: 'rotations', key: { id }, match: { epoch, state, step } };
}

/** Announces to operators that the rotation of the path has another step or state. No decision depends on it. */
export function rotationAnnounced(path: string): string {
  return `rotation:${path}`;
}

export function rotationUpdate(id: string, change: Partial<RotationRow>): Write {
  return { table: 'rotations', key: { id }, change };
}

/** Columns without a claim: the process that finds the rotation due may claim it. */
export const UNCLAIMED = { owner: null, claimed_until: null } as const;

/** The sequence number of the next row in a rotation's history. */
export async function nextStepNumber(
  { store }: Pick<Storage, 'store'>,
  rotationId: string,
): Promise<number> {
  const [last] = await store.list(ROTATION_STEPS.ofRotation(rotationId), { limit: 1 });
  return (last?.seq ?? 0) + 1;
}

/** The rotation or drill of a path that has not ended; undefined if there is none. */
export async function activeRotation(
  store: Store,
  path: string,
): Promise<Tables['rotations'] | undefined> {
  const id = (await store.get('rotation_schedules', { path }))?.active_id ?? undefined;
  return id === undefined ? undefined : store.get('rotations', { id });
}
