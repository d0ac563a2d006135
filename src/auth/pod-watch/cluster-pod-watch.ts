import type { Labels } from '../../domain/posture/label-selector.ts';
import type { CallContext } from '../../ports/call-context.ts';
import type {
  EndedPods,
  PodFacts,
  PodWatch,
  PodWatchEvents,
  SavedPod,
  SavedPods,
} from '../../ports/pod-watch.ts';
import {
  ResourceWatch,
  type ObjectEvent,
  type WatchDependencies,
  type WatchSink,
} from '../watch/resource-watch.ts';
import { confirmPod } from './confirm-pod.ts';
import type { PodName } from './confirm-pod.ts';
import { savedManifest } from './kept-manifest.ts';
import { readPod } from './observed-pod.ts';
import { PodTable } from './pod-table.ts';

/** Limits of a mass loss: a relist that loses more pods than both reports it instead of single ends, because the list may be wrong. */
const MASS_LOSS = { share: 0.2, fewest: 10 };
/** A page has about 2 to 4 MB of JSON. */
const PODS = { name: 'pods', path: ['api', 'v1', 'pods'], pageLimit: 250 };

export interface PodWatchDependencies extends WatchDependencies {
  /** Facts that count until the first list is complete, as long as they are good. */
  readonly saved?: SavedPods | undefined;
}

function factsOf({ labels, manifest }: SavedPod): PodFacts {
  return {
    state: 'running',
    labels: new Map(Object.entries(labels)),
    manifest: savedManifest(manifest),
  };
}

/** The pods of one cluster, from a list and a watch. */
export class ClusterPodWatch implements PodWatch {
  readonly #dependencies: WatchDependencies;
  readonly #events: PodWatchEvents;
  readonly #table: PodTable;
  readonly #watch: ResourceWatch;
  #seen = new Set<string>();
  #known = 0;
  /** Facts that an earlier process saved. They are dropped once the watch is live. */
  #saved: SavedPods | undefined;
  readonly #savedFacts = new Map<string, PodFacts>();

  constructor(
    cluster: string,
    events: PodWatchEvents,
    { saved, ...dependencies }: PodWatchDependencies,
  ) {
    const { clock } = dependencies;
    this.#saved = saved;
    this.#dependencies = dependencies;
    this.#events = events;
    this.#table = new PodTable(cluster, clock, {
      onEnd: (end) => this.#notify(() => events.onEnd(end)),
      onChange: (pod) => this.#notify(() => events.onChange(pod)),
    });
    const sink: WatchSink = {
      begin: () => {
        this.#seen = new Set();
        this.#known = this.#table.countAlive();
      },
      page: (objects) => this.#page(objects),
      complete: () => this.#complete(),
      event: (event) => this.#event(event),
      status: (status) => this.#status(status),
    };
    this.#watch = new ResourceWatch(PODS, sink, dependencies);
  }

  status(): 'starting' | 'live' | 'stale' {
    return this.#watch.status();
  }

  find(uid: string): PodFacts | undefined {
    return this.#table.find(uid);
  }

  lastKnown(uid: string): PodFacts | undefined {
    return this.#lastKnown(uid, this.#dependencies.goodFor?.factsMs);
  }

  lastLabels(uid: string): Labels | undefined {
    return this.#lastKnown(uid, this.#dependencies.goodFor?.labelsMs)?.labels;
  }

  #lastKnown(uid: string, maxAgeMs: number | undefined): PodFacts | undefined {
    if (this.#watch.isGood(maxAgeMs)) return this.#table.find(uid);
    const saved = this.#fromSaved(uid, maxAgeMs);
    // A list that was interrupted may have shown what the pod is now.
    return saved && (this.#table.find(uid) ?? saved);
  }

  #fromSaved(uid: string, maxAgeMs = -1): PodFacts | undefined {
    const { clock } = this.#dependencies;
    const age = clock.now() - (this.#saved?.savedAt ?? Infinity);
    // A clock that was set back does not make the facts younger.
    if (age < 0 || age > maxAgeMs) return undefined;
    const pod = this.#saved?.find(uid);
    if (pod === undefined) return undefined;
    // The same object each time: a verdict about a pod is kept by its manifest.
    const facts = this.#savedFacts.get(uid) ?? factsOf(pod);
    this.#savedFacts.set(uid, facts);
    return facts;
  }

  save(uid: string): SavedPod | undefined {
    const facts = this.status() === 'live' ? this.#table.find(uid) : undefined;
    if (facts?.state !== 'running' || facts.manifest === undefined) return undefined;
    const { labels, manifest } = facts;
    return { uid, labels: Object.fromEntries(labels), manifest: manifest.packed };
  }

  uidOf(namespace: string, name: string): string | undefined {
    return this.#table.uidOf(namespace, name);
  }

  uidOfContainer(id: string): string | undefined {
    return this.#table.uidOfContainer(id);
  }

  get ended(): EndedPods {
    return this.#table.ended;
  }

  confirm(pod: PodName, { signal }: CallContext): Promise<PodFacts> {
    return confirmPod(this.#dependencies, pod, signal);
  }

  async close(): Promise<void> {
    const closed = this.#watch.close();
    this.#table.close();
    await closed;
  }

  #status(status: Parameters<PodWatchEvents['onStatus']>[0]): void {
    if (status === 'live') {
      this.#saved = undefined;
      this.#savedFacts.clear();
    }
    this.#notify(() => this.#events.onStatus(status));
  }

  #page(objects: readonly unknown[]): void {
    for (const pod of objects.map(readPod)) {
      this.#seen.add(pod.uid);
      this.#table.put(pod);
    }
  }

  #complete(): void {
    const lost = this.#table.dropUnseen(this.#seen);
    this.#seen = new Set();
    const isMass = lost.length > MASS_LOSS.fewest && lost.length > this.#known * MASS_LOSS.share;
    if (isMass) this.#notify(() => this.#events.onMassLoss(lost));
    else for (const end of lost) this.#notify(() => this.#events.onEnd(end));
  }

  #event({ type, object }: ObjectEvent): void {
    const pod = readPod(object);
    if (type === 'DELETED') this.#table.remove(pod.uid);
    else this.#table.observe(pod);
  }

  /** Calls a listener. A listener that throws must not end the watch. */
  #notify(listener: () => void): void {
    try {
      listener();
    } catch (err) {
      this.#dependencies.log.warn({ err }, 'a listener of the pod watch failed');
    }
  }
}
