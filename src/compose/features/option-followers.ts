import { approvalFollower } from '../../broker/state/approval-memory.ts';
import { attestationFollower } from '../../broker/state/attestation-memory.ts';
import { evidenceFollower } from '../../broker/state/evidence-memory.ts';
import type { Follower } from '../../broker/state/followers.ts';
import { secretValueFollower } from '../../broker/state/secret-value-memory.ts';
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
