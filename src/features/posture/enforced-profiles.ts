import { anyMatches, type PostureProfile } from '../../domain/posture/profile.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import { LoopYielder } from '../../broker/kernel/yield-to-loop.ts';
import { dropVerdict, judgePod, keptVerdict, surroundingsOf } from './judge-posture.ts';
import type { JudgedPodName, NamedPod } from './judged-pods.ts';
import type { Judging } from './judging.ts';

/** A profile that refuses a pod its secrets, because a check failed. */
interface Violation {
  readonly profile: string;
  /** Codes of the failed checks, sorted. */
  readonly codes: readonly string[];
  readonly response: NonNullable<PostureProfile['spec']['onViolation']>;
  /** Reports whether the profile applies to the secret at the path. */
  covers(path: string): boolean;
}

/** The pods that must be judged again. */
interface Outdated {
  readonly pods: readonly JudgedPodName[];
  /** Time until which the verdicts of all others hold, unless something changes. */
  readonly validUntil: number;
  /** True if there are further pods, which are not known. */
  readonly isOver: boolean;
}

/** The profiles that revoke access of a pod that no longer meets them. A missing fact refuses reads, and revokes nothing. */
export class EnforcedProfiles {
  readonly #parts: Judging;

  constructor(parts: Judging) {
    this.#parts = parts;
  }

  get isAny(): boolean {
    return this.#parts.profiles.all.some(isEnforced);
  }

  /** Everything that the judgements of all pods depend on. While a profile is enforced, every pod with a lease was judged by all profiles. */
  basis(): readonly unknown[] {
    return [this.isAny];
  }

  /** Everything that the judgements of some pods depend on. */
  inputs(): readonly unknown[] {
    const { profiles, attestations, evidence, secretValues } = this.#parts;
    return [profiles.all, attestations.generation, evidence.generation, secretValues.generation];
  }

  /**
   * Finds the pods whose kept verdict does not hold any more, because its own profiles, evidence, signatures or values changed, or by time. The
   * comparison costs microseconds a pod.
   */
  async findOutdated(): Promise<Outdated> {
    const { judgedPods, clusters, clock } = this.#parts;
    const slices = new LoopYielder(clock);
    const isOver = judgedPods.takeOver();
    const pods: JudgedPodName[] = [];
    let validUntil = Infinity;
    for (const pod of judgedPods.all()) {
      if (slices.isOver) await slices.next();
      const watch = clusters.watch(pod.cluster);
      // The pods of a watch that is not live are examined when it lists them again.
      if (watch?.status() !== 'live') continue;
      const facts = watch.find(pod.uid);
      const verdict = keptVerdict(this.#parts, facts, surroundingsOf(this.#parts, pod, facts));
      if (verdict !== undefined) validUntil = Math.min(validUntil, verdict.validUntil);
      else pods.push(pod);
    }
    return { pods, validUntil, isOver };
  }

  /** Forgets the pod with its verdict, so that its next read evaluates and notes it again. */
  forget(pod: JudgedPodName): void {
    this.#parts.judgedPods.forget(pod);
    dropVerdict(this.#parts.clusters.watch(pod.cluster)?.find(pod.uid));
  }

  /** @returns the violations, and when they may change by time alone */
  judge(
    pod: NamedPod,
    facts: PodFacts,
  ): { readonly violations: readonly Violation[]; readonly validUntil: number } {
    this.#parts.judgedPods.note(pod);
    const { judged, validUntil } = judgePod(this.#parts, pod, facts);
    const violations = judged.flatMap(({ profile, findings }) => {
      const failed = findings.filter(({ status }) => status === 'fail');
      if (!isEnforced(profile) || failed.length === 0) return [];
      const { onViolation: response = 'denyRenewal' } = profile.spec;
      return [
        {
          profile: profile.name,
          codes: [...new Set(failed.map(({ code }) => code))].sort(),
          response,
          covers: (path: string) => anyMatches(profile.secretPaths, path),
        },
      ];
    });
    return { violations, validUntil };
  }
}

function isEnforced({ spec }: PostureProfile): boolean {
  return spec.mode === 'enforce';
}
