import type { ImageTrust } from '../../domain/posture/image-trust.ts';
import type { Rights } from '../../broker/state/dependencies.ts';
import type { JudgedPods } from './judged-pods.ts';
import type { ImageEvidence } from './evidence-memory.ts';
import type { SecretValueMemory } from './secret-value-memory.ts';
import type { Profiles } from './profiles.ts';
import type { ReportReader } from './report-reader.ts';

/** Signatures and attestations of images. */
export interface ImageStatements extends Pick<ImageTrust, 'of'> {
  /** Another number after each change. */
  readonly generation: number;
  /** Signatures for one evaluation, which verifies a bounded number of them. */
  verifying(): ImageTrust;
}

/** The signatures of a broker without attestations. */
export const NO_STATEMENTS: ImageStatements = {
  generation: 0,
  of: () => [],
  verifying: () => ({ of: () => [], signerOf: () => undefined }),
};

/** The memory by which posture profiles are judged. */
export interface Posture {
  readonly profiles: Profiles;
  readonly evidence: ImageEvidence;
  readonly reports: ReportReader;
  readonly secretValues: SecretValueMemory;
  readonly judgedPods: JudgedPods;
  readonly attestations: ImageStatements;
}

/** Judges a pod by the profiles. */
export type Judging = Omit<Posture, 'reports'> & Pick<Rights, 'clock' | 'clusters'>;
