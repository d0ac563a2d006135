import { anyMatches, type PostureProfile } from '../../domain/posture/profile.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import { judgePod, type NamedPod } from './judge-posture.ts';
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

/** The profiles that revoke access of a pod that no longer meets them. A missing fact refuses reads, and revokes nothing. */
export class EnforcedProfiles {
  readonly #parts: Judging;

  constructor(parts: Judging) {
    this.#parts = parts;
  }

  get isAny(): boolean {
    return this.#parts.profiles.all.some(isEnforced);
  }

  /** Everything that a judgement depends on, except the pod and the time. */
  basis(): readonly unknown[] {
    const { profiles, attestations, evidence, secretValues } = this.#parts;
    return [profiles.all, attestations.generation, evidence.generation, secretValues.generation];
  }

  /** @returns the violations, and when they may change by time alone */
  judge(
    pod: NamedPod,
    facts: PodFacts,
  ): { readonly violations: readonly Violation[]; readonly validUntil: number } {
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
