import type { Clock } from '../../ports/clock.ts';
import type { KeptManifest } from './kept-manifest.ts';
import type { EndedPod, EndedPods } from '../../ports/pod-watch.ts';

/** Time for which an ended pod is remembered: sensors that buffer, and audit logs, deliver alerts late. */
const ENDED_POD_MS = 6 * 3_600_000;
/** Pods of one cluster. A pod takes about 1.5 KB. */
const MOST = 10_000;
/** A larger manifest is dropped, so that the pods of one tenant cannot fill the memory. */
const MOST_MANIFEST_BYTES = 4_096;

/** Sources of alerts give at least this much of a container's id. */
export const CONTAINER_DIGITS = 12;

interface Remembered extends EndedPod {
  readonly manifest: KeptManifest | undefined;
  readonly containers: readonly string[];
}

/**
 * The pods of one cluster that ended lately. An alert can arrive after the pod that it is about. If there are too many, the namespace with the most of them
 * loses its oldest one: a tenant that starts many short pods makes the broker forget only its own.
 */
export class EndedPodMemory implements EndedPods {
  /** Pods of each namespace, the oldest first. */
  readonly #byNamespace = new Map<string, Map<string, Remembered>>();
  readonly #byUid = new Map<string, Remembered>();
  readonly #byContainer = new Map<string, string>();
  readonly #clock: Pick<Clock, 'now'>;

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  remember(pod: Remembered): void {
    const { uid, namespace, endedAt, manifest } = pod;
    if (this.#byUid.has(uid)) return;
    this.#forgetBefore(endedAt - ENDED_POD_MS);
    const own = this.#byNamespace.get(namespace) ?? new Map<string, Remembered>();
    this.#byNamespace.set(namespace, own);
    const isSmall = manifest !== undefined && manifest.bytes <= MOST_MANIFEST_BYTES;
    const kept = { ...pod, manifest: isSmall ? manifest : undefined };
    own.set(uid, kept);
    this.#byUid.set(uid, kept);
    for (const id of pod.containers)
      this.#byContainer.set(id, this.#byContainer.has(id) ? '' : uid);
    if (this.#byUid.size > MOST) this.#forget(this.#oldestOfLargest());
  }

  find(uid: string): EndedPod | undefined {
    const found = this.#byUid.get(uid);
    return found !== undefined && this.#isRecent(found) ? found : undefined;
  }

  named(namespace: string, name: string): readonly EndedPod[] {
    const all = this.#byNamespace.get(namespace)?.values() ?? [];
    return [...all].filter((pod) => pod.name === name && this.#isRecent(pod));
  }

  uidOfContainer(id: string): string | undefined {
    return this.#byContainer.get(id.slice(0, CONTAINER_DIGITS)) || undefined;
  }

  #isRecent({ endedAt }: EndedPod): boolean {
    return endedAt > this.#clock.now() - ENDED_POD_MS;
  }

  #forgetBefore(instant: number): void {
    for (const pod of this.#byUid.values()) {
      if (pod.endedAt > instant) return;
      this.#forget(pod);
    }
  }

  #oldestOfLargest(): Remembered | undefined {
    let largest: Map<string, Remembered> | undefined;
    for (const own of this.#byNamespace.values())
      if (largest === undefined || own.size > largest.size) largest = own;
    return largest?.values().next().value;
  }

  #forget(pod: Remembered | undefined): void {
    if (pod === undefined) return;
    const { uid, namespace } = pod;
    this.#byUid.delete(uid);
    const own = this.#byNamespace.get(namespace);
    own?.delete(uid);
    if (own?.size === 0) this.#byNamespace.delete(namespace);
    for (const id of pod.containers)
      if (this.#byContainer.get(id) === uid) this.#byContainer.delete(id);
  }
}
