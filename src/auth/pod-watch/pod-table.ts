import type { Clock } from '../../ports/clock.ts';
import type { PodEnd, PodFacts, PodState, PodWatchEvents } from '../../ports/pod-watch.ts';
import { CONTAINER_DIGITS, EndedPodMemory } from './ended-pods.ts';
import type { KeptManifest } from './kept-manifest.ts';
import { LabelPool } from './label-pool.ts';
import type { ObservedPod } from './observed-pod.ts';
import { endReasonOf, podStateOf } from './pod-state.ts';

interface Entry {
  /** Key `<namespace>/<name>`, the same string that `#byName` holds. */
  readonly key: string;
  state: PodState;
  labels: ReadonlyMap<string, string>;
  manifest: KeptManifest | undefined;
  containers: readonly string[];
  endedAt: number | undefined;
  cancelTimer: (() => void) | undefined;
}

type TableEvents = Pick<PodWatchEvents, 'onEnd' | 'onChange'>;

/** All pods of one cluster, about 300 bytes each, and the kept parts of the pod object. Each pod ends at most once. */
export class PodTable {
  readonly #cluster: string;
  readonly #clock: Clock;
  readonly #events: TableEvents;
  readonly #entries = new Map<string, Entry>();
  readonly #byName = new Map<string, string>();
  readonly #labels = new LabelPool();
  readonly #byContainer = new Map<string, string>();
  readonly ended: EndedPodMemory;

  /** Reports every ended pod except those that `dropUnseen` returns. */
  constructor(cluster: string, clock: Clock, events: TableEvents) {
    this.#cluster = cluster;
    this.#clock = clock;
    this.#events = events;
    this.ended = new EndedPodMemory(clock);
  }

  find(uid: string): (PodFacts & Pick<Entry, 'manifest'>) | undefined {
    return this.#entries.get(uid);
  }

  uidOf(namespace: string, name: string): string | undefined {
    return this.#byName.get(keyOf({ namespace, name }));
  }

  uidOfContainer(id: string): string | undefined {
    return this.#byContainer.get(id.slice(0, CONTAINER_DIGITS)) || undefined;
  }

  /** The pod was added or changed: an earlier pod of the same name is gone. */
  observe(pod: ObservedPod): void {
    const previous = this.#byName.get(keyOf(pod));
    this.put(pod);
    if (previous === undefined || previous === pod.uid) return;
    const end = this.#drop(previous, 'replaced');
    if (end !== undefined) this.#events.onEnd(end);
  }

  /** A list contains the pod. Only the complete list shows which pods are gone. */
  put(pod: ObservedPod): void {
    const entry = this.#entryOf(pod);
    if (entry.state === 'ended') return;
    const now = this.#clock.now();
    entry.cancelTimer?.();
    entry.cancelTimer = undefined;
    entry.labels = this.#labels.share(pod.labels);
    entry.manifest = pod.manifest;
    this.#index(pod.uid, entry, pod.containers);
    entry.state = podStateOf(pod, now);
    const reason = endReasonOf(pod, now);
    if (reason !== undefined) entry.endedAt = now;
    if (reason !== undefined) this.#events.onEnd(this.#endOf(pod.uid, entry, reason));
    else if (pod.deletionAt !== undefined) this.#endAt(pod.uid, entry, pod.deletionAt);
    const { uid, namespace, name } = pod;
    const { labels } = entry;
    if (reason === undefined)
      this.#events.onChange({ cluster: this.#cluster, uid, namespace, name, labels });
  }

  /** The watch reported the deletion of the pod. */
  remove(uid: string): void {
    const end = this.#drop(uid, 'deleted');
    if (end !== undefined) this.#events.onEnd(end);
  }

  /** Pods that had not ended. */
  countAlive(): number {
    let alive = 0;
    for (const { state } of this.#entries.values()) if (state !== 'ended') alive += 1;
    return alive;
  }

  /** Removes pods that a complete list lacks; returns the ends of those that had not ended yet. */
  dropUnseen(seen: ReadonlySet<string>): readonly PodEnd[] {
    const ends: PodEnd[] = [];
    for (const [uid, { key }] of this.#entries) {
      if (seen.has(uid)) continue;
      const end = this.#drop(uid, this.#byName.get(key) === uid ? 'deleted' : 'replaced');
      if (end !== undefined) ends.push(end);
    }
    return ends;
  }

  close(): void {
    for (const { cancelTimer } of this.#entries.values()) cancelTimer?.();
  }

  #entryOf(pod: ObservedPod): Entry {
    const known = this.#entries.get(pod.uid);
    const key = known?.key ?? keyOf(pod);
    this.#byName.set(key, pod.uid);
    if (known !== undefined) return known;
    const entry: Entry = {
      key,
      state: 'unknown',
      labels: this.#labels.share({}),
      manifest: undefined,
      containers: [],
      endedAt: undefined,
      cancelTimer: undefined,
    };
    this.#entries.set(pod.uid, entry);
    return entry;
  }

  #drop(uid: string, reason: PodEnd['reason']): PodEnd | undefined {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return undefined;
    entry.cancelTimer?.();
    this.#entries.delete(uid);
    const end = this.#endOf(uid, entry, reason);
    this.#remember(end, entry);
    this.#index(uid, entry, []);
    if (this.#byName.get(entry.key) === uid) this.#byName.delete(entry.key);
    return entry.state === 'ended' ? undefined : end;
  }

  #remember({ uid, namespace, name }: PodEnd, entry: Entry): void {
    const { labels, manifest, containers, endedAt = this.#clock.now() } = entry;
    const facts = { state: 'ended', labels, manifest, containers, endedAt } as const;
    this.ended.remember({ ...facts, uid, namespace, name });
  }

  /** A prefix that two pods share names neither of them. */
  #index(uid: string, entry: Entry, containers: readonly string[]): void {
    for (const id of entry.containers) {
      if (!containers.includes(id) && this.#byContainer.get(id) === uid)
        this.#byContainer.delete(id);
    }
    for (const id of containers) {
      const owner = this.#byContainer.get(id);
      this.#byContainer.set(id, owner === undefined || owner === uid ? uid : '');
    }
    entry.containers = containers;
  }

  /** Ends the pod at `instant`. Finalizers can keep a pod long after its grace period; its containers are gone by then. */
  #endAt(uid: string, entry: Entry, instant: number): void {
    const remaining = Math.min(Math.max(instant - this.#clock.now(), 0), LONGEST_TIMER_MS);
    entry.cancelTimer = this.#clock.after(remaining, () => {
      if (this.#clock.now() < instant) {
        this.#endAt(uid, entry, instant);
        return;
      }
      entry.cancelTimer = undefined;
      entry.state = 'ended';
      entry.endedAt = this.#clock.now();
      this.#events.onEnd(this.#endOf(uid, entry, 'deletion_passed'));
    });
  }

  #endOf(uid: string, { key }: Entry, reason: PodEnd['reason']): PodEnd {
    const slash = key.indexOf('/');
    const namespace = key.slice(0, slash);
    return { cluster: this.#cluster, uid, namespace, name: key.slice(slash + 1), reason };
  }
}

/** Node's timers hold 31 bits of milliseconds. */
const LONGEST_TIMER_MS = 24 * 60 * 60_000;

function keyOf({ namespace, name }: Pick<ObservedPod, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}
