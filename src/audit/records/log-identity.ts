import { verifierOf } from '../../crypto/log/checkpoint.ts';
import type { NoteSigner, NoteVerifier } from '../../crypto/log/signed-note.ts';
import type { SigningKey } from '../../crypto/signatures/signing.ts';

/** The log's name and key. */
export interface LogIdentity {
  /** The first line of its checkpoints and the name in their signatures. It differs from the configuration for a released log: log-origin.ts. */
  readonly origin: string;
  /** The log under the origin of the configuration. It signs records of the installation: manifests of backups, and the later origin of the log. */
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
