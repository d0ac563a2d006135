import { verifierOf } from '../../crypto/log/checkpoint.ts';
import type { NoteSigner, NoteVerifier } from '../../crypto/log/signed-note.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';

/** The log's name and key. */
export interface LogIdentity {
  /** The first line of its checkpoints and the name in their signatures. A released log has another one than the configuration: log-origin.ts. */
  readonly origin: string;
  /** The log under the origin of the configuration. It signs what belongs to the installation: manifests of backups, and the log's later origin. */
  readonly configured: NoteIdentity;
  readonly signer: NoteSigner;
  readonly verifier: NoteVerifier;
}

type NoteIdentity = Pick<LogIdentity, 'origin' | 'signer' | 'verifier'>;

export function logIdentity(origin: string, key: SigningKey, configured = origin): LogIdentity {
  return { ...noteIdentity(origin, key), configured: noteIdentity(configured, key) };
}

function noteIdentity(origin: string, key: SigningKey): NoteIdentity {
  return { origin, signer: { name: origin, key }, verifier: verifierOf(origin, key.publicKey) };
}
