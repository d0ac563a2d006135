import { noteKeyId, type NoteSigner, type NoteVerifier } from '../crypto/signed-note.ts';
import { VerifyingKey, type SigningKey } from '../crypto/signing.ts';

/** The log's name and key. `origin` is the first line of its checkpoints and the name in its signatures. */
export interface LogIdentity {
  readonly origin: string;
  readonly signer: NoteSigner;
  readonly verifier: NoteVerifier;
}

export function logIdentity(origin: string, key: SigningKey): LogIdentity {
  return {
    origin,
    signer: { name: origin, key },
    verifier: {
      name: origin,
      keyId: noteKeyId(origin, key.publicKey),
      key: new VerifyingKey(key.publicKey),
    },
  };
}
