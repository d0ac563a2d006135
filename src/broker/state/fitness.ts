import type { Workload } from '../../domain/identity/workload.ts';
import type { PostureRefused } from '../../domain/posture/refusal.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';

/** Decides whether the pod of a workload is fit for its secrets, whatever the policies allow. */
export interface Fitness {
  /**
   * Decides on the secret at the path, or on a session if there is no path.
   * @param facts of the pod; without them, what a live watch knows
   * @param payer pays for the time of an evaluation
   */
  judge(
    workload: Workload,
    path: string | undefined,
    facts?: PodFacts,
    payer?: Payer,
  ): FitnessJudgement;
  /** All digests of the images that have these: of the index, its platforms and their configurations, as far as evidence for all images names them. */
  digestsOfImages(digests: Iterable<string>): ReadonlySet<string>;
}

/** Takes milliseconds of processor time for a caller. */
export interface Payer {
  spend(ms: number): void;
}

export interface FitnessJudgement {
  /** The answer to a pod that is not fit. */
  readonly refusal?: PostureRefused;
  /** Findings that do not refuse, for the log. */
  readonly noted?: string;
  /** Findings that do not refuse, for the caller. */
  readonly warned?: string;
}
