import type { ChangedPod } from '../../ports/pod-watch.ts';

/**
 * Limit above which all pods with sessions are examined instead. A rollout of a large cluster changes about as many between two
 * rounds.
 */
const MOST = 10_000;

export interface TakenPods {
  readonly pods: readonly ChangedPod[];
  /** True if more changed than is kept, or a watch began again: all pods that have sessions must be examined. */
  readonly isOver: boolean;
}

export interface ChangedNamespace {
  readonly cluster: string;
  readonly namespace: string;
}

/**
 * Pods that changed since they were last examined, and namespaces with new labels or NetworkPolicies. Bounded, because a cluster can change pods faster
 * than they are examined.
 */
export class ChangedPods {
  readonly #pods = new Map<string, ChangedPod>();
  readonly #namespaces = new Map<string, ChangedNamespace>();
  #isOver = false;

  changed(pod: ChangedPod): void {
    const key = `${pod.cluster}/${pod.uid}`;
    if (this.#pods.size < MOST || this.#pods.has(key)) this.#pods.set(key, pod);
    else this.#isOver = true;
  }

  changedNamespace(changed: ChangedNamespace): void {
    const key = `${changed.cluster}/${changed.namespace}`;
    if (this.#namespaces.size < MOST || this.#namespaces.has(key))
      this.#namespaces.set(key, changed);
    else this.#isOver = true;
  }

  /** All pods with sessions may be affected. */
  changedAll(): void {
    this.#isOver = true;
  }

  takeNamespaces(): readonly ChangedNamespace[] {
    const taken = [...this.#namespaces.values()];
    this.#namespaces.clear();
    return taken;
  }

  take(): TakenPods {
    const taken = { pods: [...this.#pods.values()], isOver: this.#isOver };
    this.#pods.clear();
    this.#isOver = false;
    return taken;
  }
}
