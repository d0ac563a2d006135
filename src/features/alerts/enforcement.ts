import type { PodFacts } from '../../ports/pod-watch.ts';
import type { AlertRecord } from './alert-record.ts';

export interface ExaminedPod {
  readonly cluster: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Something that an enforced profile refuses at a pod. */
export interface Violation {
  readonly profile: string;
  readonly codes: readonly string[];
  readonly response: 'denyRenewal' | AlertRecord['response']['action'];
  covers(path: string): boolean;
}

/** The profiles that take something from a pod that stops meeting them. */
export interface Enforcement {
  readonly isAny: boolean;
  /** Everything that the judgements of all pods depend on. */
  basis(): readonly unknown[];
  /** Everything that the judgements of some pods depend on: profiles, evidence and signatures of images, values of secrets. */
  inputs(): readonly unknown[];
  /** Finds the pods that must be judged again, because something that their own verdict depends on has changed. */
  findOutdated(): Promise<{
    readonly pods: readonly ExaminedPod[];
    /** Time until which the verdicts of all others hold, unless something changes. */
    readonly validUntil: number;
    /** True if there are further pods, which are not known. */
    readonly isOver: boolean;
  }>;
  /** Forgets a pod that has nothing to lose; its next read evaluates it again. */
  forget(pod: ExaminedPod): void;
  judge(
    pod: ExaminedPod,
    facts: PodFacts,
  ): { readonly violations: readonly Violation[]; readonly validUntil: number };
}

export interface Enforcing {
  /** Undefined in a broker without posture. */
  readonly enforcement: Enforcement | undefined;
}
