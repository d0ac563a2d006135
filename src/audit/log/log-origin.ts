import { isOriginOf, type Checkpoint } from '../../crypto/log/checkpoint.ts';
import { openNote, signNote, type NoteVerifier } from '../../crypto/log/signed-note.ts';
import type { CheckpointReference } from '../../domain/audit/audit-actions.ts';
import { instant } from '../../domain/time/instant.ts';
import type { Store, Write } from '../../ports/store.ts';
import { logIdentity, type LogIdentity } from '../records/log-identity.ts';

/** The first line of the note in `meta`. No checkpoint has it: the second line of a checkpoint is a number. */
const FORMAT = 'quaymaster.dev/log-origin/v1';
const KEY = 'audit-origin';

/**
 * The identity of a store's log. A log that an operator released has an origin of its own, in a note that the log key signed. A note that the key did not
 * sign is ignored: then the stored checkpoint, which names the later origin, does not verify, and the store is held.
 */
export async function storedIdentity(store: Store, identity: LogIdentity): Promise<LogIdentity> {
  const row = await store.get('meta', { key: KEY });
  const origin = row && openOrigin(row.value, identity.configured.verifier);
  return origin === undefined ? identity : withOrigin(identity, origin);
}

function openOrigin(note: string, configured: NoteVerifier): string | undefined {
  let text: string;
  try {
    text = openNote(note, [configured]);
  } catch {
    return undefined;
  }
  const [format, origin = '', end, ...more] = text.split('\n');
  const isWhole = format === FORMAT && end === '' && more.length === 0;
  return isWhole && isOriginOf(configured.name, origin) ? origin : undefined;
}

/**
 * A new origin for a released log: that of the configuration, and the time. The time makes it unique. A counter would not: a second restore of the same backup
 * does not know the origins that the lost logs had.
 */
export function nextIdentity(identity: LogIdentity, now: number): LogIdentity {
  const time = instant(now).replaceAll(/[-:.]/g, '');
  return withOrigin(identity, `${identity.configured.origin}/${time}`);
}

/** Names the origin of the store from now on. */
export function writeOrigin({ origin, configured }: LogIdentity): Write {
  const value = signNote(`${FORMAT}\n${origin}\n`, configured.signer);
  return { table: 'meta', put: { key: KEY, value } };
}

const RELEASED = 'audit-released-from';
/** A release that was killed again and again leaves one each. */
const MOST_RELEASED = 8;

/** The checkpoint of a log at one of its origins. */
export interface OriginCheckpoint {
  readonly note: string;
  readonly identity: LogIdentity;
}

/**
 * The checkpoints that the log of a store had when releases gave it another origin, newest first. A newer log of before continues one of them. Each note is
 * signed, so a row that someone changed is of no use.
 */
export async function releasedCheckpoints(
  store: Store,
  identity: LogIdentity,
): Promise<readonly OriginCheckpoint[]> {
  const notes = await releasedNotes(store);
  return notes.flatMap((note) => {
    const [origin = ''] = note.split('\n', 1);
    return isOriginOf(identity.configured.origin, origin)
      ? [{ note, identity: withOrigin(identity, origin) }]
      : [];
  });
}

/** Keeps the checkpoint that a release leaves behind. */
export async function writeReleased(store: Store, note: string): Promise<Write> {
  const notes = [note, ...(await releasedNotes(store)).filter((each) => each !== note)];
  const value = JSON.stringify(notes.slice(0, MOST_RELEASED));
  return { table: 'meta', put: { key: RELEASED, value } };
}

async function releasedNotes(store: Store): Promise<readonly string[]> {
  const row = await store.get('meta', { key: RELEASED });
  try {
    const notes: unknown = JSON.parse(row?.value ?? '[]');
    return Array.isArray(notes) ? notes.filter((each) => typeof each === 'string') : [];
  } catch {
    return [];
  }
}

export function referenceTo({ origin, size, root }: Checkpoint): CheckpointReference {
  return { origin, size, root: Buffer.from(root).toString('base64') };
}

function withOrigin({ signer, configured }: LogIdentity, origin: string): LogIdentity {
  return logIdentity(origin, signer.key, configured.origin);
}
