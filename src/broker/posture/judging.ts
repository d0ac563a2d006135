import type { ImageTrust } from '../../domain/posture/image-trust.ts';
import type { Rights } from '../state/dependencies.ts';
import type { JudgedPods } from './judged-pods.ts';
import type { ImageEvidence } from './evidence-memory.ts';
import type { SecretValueMemory } from './secret-value-memory.ts';
import type { Profiles } from './profiles.ts';
import type { ReportReader } from './report-reader.ts';

/** The memory by which posture profiles are judged. */
export interface Posture {
  readonly profiles: Profiles;
  readonly evidence: ImageEvidence;
  readonly reports: ReportReader;
  readonly secretValues: SecretValueMemory;
  readonly judgedPods: JudgedPods;
  /** Signatures and attestations of images; another generation after each change. */
  readonly attestations: ImageTrust & { readonly generation: number };
}

/** Judges a pod by the profiles. */
export type Judging = Omit<Posture, 'reports'> & Pick<Rights, 'clock' | 'clusters'>;
