import { parseAttestation } from '../../../src/features/attestations/parse-attestation.ts';
import { verifiedSignerOf } from './verified-signers.ts';
import { parseSpec } from '../../../src/broker/model/schema.ts';
import {
  judgeTrust,
  type ImageTrust,
  type TrustFinding,
} from '../../../src/domain/posture/image-trust.ts';
import { compileProfile } from '../../../src/domain/posture/profile.ts';

/** A signature or attestation as it is pushed to the broker. */
export type Content = Readonly<Record<string, unknown>>;

/** Builds the broker's view of the pushed contents. */
function trustOf(contents: readonly Content[]): ImageTrust {
  const kept = contents.map((content, at) => {
    const { subjects, type, repository, builder, scannedAt } = parseAttestation(content);
    const body = Buffer.from(JSON.stringify(content));
    const facts = { type, repository, builder, scannedAt, scope: [] };
    return { subjects, statement: { id: `att_${at}`, createdAt: 1, body, ...facts } };
  });
  return {
    of: (digest) =>
      kept.filter(({ subjects }) => subjects.includes(digest)).map(({ statement }) => statement),
    signerOf: verifiedSignerOf,
  };
}

/** Lists the violations of the `image` part of a profile by an image with these signatures and attestations. */
export function imageFindings(
  image: { readonly repository: string; readonly digest: string },
  demands: object,
  contents: readonly Content[],
): readonly TrustFinding[] {
  const spec = parseSpec('posture-profile', { mode: 'enforce', image: demands });
  const { trust } = compileProfile('p', 1, spec);
  return judgeTrust(trust, image, { trust: trustOf(contents), now: Date.now() }).findings;
}
