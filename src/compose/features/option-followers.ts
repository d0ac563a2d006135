import { approvalFollower } from '../../broker/approvals/approval-memory.ts';
import { attestationFollower } from '../../broker/attestations/attestation-memory.ts';
import { evidenceFollower } from '../../broker/posture/evidence-memory.ts';
import type { Follower } from '../../broker/state/followers.ts';
import { secretValueFollower } from '../../broker/posture/secret-value-memory.ts';
import type { Parts } from '../parts.ts';

/** Keeps the memory of the options current. */
export function optionFollowers(
  memory: Pick<Parts, 'approvals' | 'attestations' | 'evidence' | 'secretValues'>,
): readonly Follower[] {
  return [
    approvalFollower(memory.approvals),
    attestationFollower(memory.attestations),
    evidenceFollower(memory.evidence),
    secretValueFollower(memory.secretValues),
  ];
}
