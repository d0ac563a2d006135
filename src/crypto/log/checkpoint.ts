import { invalidCiphertext } from '../aead/aead.ts';
import { decodeBase64 } from '../random/base64.ts';
import {
  noteKeyId,
  openNote,
  signNote,
  type NoteSigner,
  type NoteVerifier,
} from './signed-note.ts';
import { VerifyingKey } from '../signatures/signing.ts';

/** A signed tree head: the log's name, how many entries it has, and the RFC 6962 root over them. */
export interface Checkpoint {
  readonly origin: string;
  readonly size: number;
  /** 32 bytes. */
  readonly root: Uint8Array;
}

const ROOT_BYTES = 32;
const SIZE = /^(?:0|[1-9][0-9]{0,15})$/;

/** The note text of C2SP tlog-checkpoint: origin, size and root, one a line, without extension lines. */
export function checkpointText({ origin, size, root }: Checkpoint): string {
  if (origin === '' || /[\n\s+]/u.test(origin))
    throw new TypeError('an origin has neither spaces nor plus signs');
  if (!Number.isSafeInteger(size) || size < 0)
    throw new RangeError('a tree size is a whole number');
  if (root.length !== ROOT_BYTES) throw new RangeError('a root is 32 bytes');
  return `${origin}\n${size}\n${Buffer.from(root).toString('base64')}\n`;
}

/** A signed note over the checkpoint; the signer's name should be the origin. */
export function signCheckpoint(checkpoint: Checkpoint, signer: NoteSigner): string {
  return signNote(checkpointText(checkpoint), signer);
}

/**
 * Parses the text of a note as a checkpoint. Extension lines are refused: the broker signs none, and no monitor can audit them. @throws
 * ERR_CIPHERTEXT_INVALID
 */
export function parseCheckpointText(text: string): Checkpoint {
  const [origin = '', sizeText = '', rootText = '', rest, ...more] = text.split('\n');
  const root = decodeBase64(rootText);
  const size = Number(sizeText);
  const wellFormed =
    origin !== '' &&
    SIZE.test(sizeText) &&
    Number.isSafeInteger(size) &&
    rest === '' &&
    more.length === 0;
  if (!wellFormed || root?.length !== ROOT_BYTES) throw invalidCiphertext();
  return { origin, size, root };
}

/** The checkpoint of a note that a known key signed for exactly this log. @throws ERR_CIPHERTEXT_INVALID */
export function openCheckpoint(
  note: string,
  origin: string,
  verifiers: readonly NoteVerifier[],
): Checkpoint {
  const checkpoint = parseCheckpointText(openNote(note, verifiers));
  if (checkpoint.origin !== origin) throw invalidCiphertext();
  return checkpoint;
}

/** The verifier of a public key under a name: checkpoints of that origin are signed with this name. */
export function verifierOf(name: string, publicKey: Uint8Array): NoteVerifier {
  return { name, keyId: noteKeyId(name, publicKey), key: new VerifyingKey(publicKey) };
}

/** Reports whether an origin is the configured one, or one that a released log opened under it. */
export function isOriginOf(configured: string, origin: string): boolean {
  return origin === configured || origin.startsWith(`${configured}/`);
}

/** Opens a checkpoint of the log that the key names, or of its continuation under a later origin. @throws ERR_CIPHERTEXT_INVALID */
export function openLogCheckpoint(note: string, { name, key }: NoteVerifier): Checkpoint {
  const [origin = ''] = note.split('\n', 1);
  if (!isOriginOf(name, origin)) throw invalidCiphertext();
  return openCheckpoint(note, origin, [verifierOf(origin, key.publicKey)]);
}
