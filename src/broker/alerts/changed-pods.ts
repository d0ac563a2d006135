import type { ChangedPod } from '../../ports/pod-watch.ts';

/** Above this many, all pods with sessions are examined instead. A rollout of a large cluster changes about as many between two rounds. */
const MOST = 10_000;

export interface TakenPods {
  readonly pods: readonly ChangedPod[];
  /** More pods changed than are kept: examine all that have sessions. */
  readonly isOver: boolean;
}

/** Pods that changed since they were last examined. Bounded, because a cluster can change pods faster than they are examined. */
export class ChangedPods {
  readonly #pods = new Map<string, ChangedPod>();
  #isOver = false;

  changed(pod: ChangedPod): void {
    const key = `${pod.cluster}/${pod.uid}`;
    if (this.#pods.size < MOST || this.#pods.has(key)) this.#pods.set(key, pod);
    else this.#isOver = true;
  }

  take(): TakenPods {
    const taken = { pods: [...this.#pods.values()], isOver: this.#isOver };
    this.#pods.clear();
    this.#isOver = false;
    return taken;
  }
}
