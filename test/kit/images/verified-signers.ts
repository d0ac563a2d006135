import { readContent } from '../../../src/features/attestations/read-attestation.ts';
import type { Statement, TrustAnchor } from '../../../src/domain/posture/image-trust.ts';
import type { Signer } from '../../../src/domain/posture/trusted-identity.ts';

/** The signer of a statement with its body, verified at once and not in a thread. */
export function verifiedSignerOf(statement: Statement, by: TrustAnchor): Signer | undefined {
  const { body } = statement as Statement & { readonly body: Uint8Array };
  const [signer] = readContent(body, [by]).signers.values();
  return signer ?? undefined;
}
