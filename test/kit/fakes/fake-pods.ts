import { randomUUID } from 'node:crypto';

/** A stored pod of the API server, with the fields that the tests read. */
export interface FakePod {
  readonly kind: 'Pod';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly creationTimestamp?: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string; readonly serviceAccountName: string };
  readonly status: { readonly phase: string };
}

export interface FakePodRequest {
  readonly namespace: string;
  readonly name: string;
  readonly serviceAccount: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Further members of the pod's specification. */
  readonly spec?: object;
}

export interface FakeEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: FakePod;
}

interface Snapshot {
  readonly version: number;
  readonly pods: readonly FakePod[];
}

export interface FakePage {
  readonly items: readonly FakePod[];
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
}

/** Pods of a fake API server with the history that its watches replay. */
export class FakePods {
  readonly #pods = new Map<string, FakePod>();
  readonly #history: FakeEvent[] = [];
  readonly #watchers = new Set<(event: FakeEvent) => void>();
  readonly #snapshots = new Map<string, Snapshot>();
  #version = 1000;
  #forgotten = 0;

  get version(): string {
    return String(this.#version);
  }

  create(request: FakePodRequest): FakePod {
    const { namespace, name, serviceAccount, labels, spec } = request;
    return this.#record('ADDED', {
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        uid: randomUUID(),
        resourceVersion: '',
        creationTimestamp: new Date().toISOString(),
        ...(labels !== undefined && { labels }),
      },
      spec: { nodeName: 'node-1', serviceAccountName: serviceAccount, ...spec },
      status: { phase: 'Pending' },
    });
  }

  get(namespace: string, name: string): FakePod | undefined {
    return this.#pods.get(`${namespace}/${name}`);
  }

  setPhase(pod: FakePod, phase: string): FakePod {
    return this.#record('MODIFIED', { ...this.#stored(pod), status: { phase } });
  }

  setSpec(pod: FakePod, spec: object): FakePod {
    const stored = this.#stored(pod);
    return this.#record('MODIFIED', { ...stored, spec: { ...stored.spec, ...spec } });
  }

  setContainerId(pod: FakePod, name: string, containerID: string): FakePod {
    const stored = this.#stored(pod);
    const status = { ...stored.status, containerStatuses: [{ name, containerID }] };
    return this.#record('MODIFIED', { ...stored, status });
  }

  setImageId(pod: FakePod, name: string, imageID: string): FakePod {
    const stored = this.#stored(pod);
    const status = { ...stored.status, containerStatuses: [{ name, imageID }] };
    return this.#record('MODIFIED', { ...stored, status });
  }

  setLabels(pod: FakePod, labels: Readonly<Record<string, string>>): FakePod {
    const stored = this.#stored(pod);
    return this.#record('MODIFIED', { ...stored, metadata: { ...stored.metadata, labels } });
  }

  /** Deletes a pod. With a grace period it stays terminating until `remove`. */
  terminate(pod: FakePod, endsAt: number): FakePod {
    const stored = this.#stored(pod);
    const deletionTimestamp = new Date(endsAt).toISOString();
    const metadata = { ...stored.metadata, deletionTimestamp };
    return this.#record('MODIFIED', { ...stored, metadata });
  }

  remove(pod: FakePod): void {
    this.#record('DELETED', this.#stored(pod));
  }

  /** Loses pods like a store restored from a backup: no watch reports it. */
  vanish(pods: readonly FakePod[]): void {
    for (const { metadata } of pods) this.#pods.delete(`${metadata.namespace}/${metadata.name}`);
    this.forget();
  }

  /** Drops the history: watches and pages of older versions are answered 410. */
  forget(): void {
    this.#version += 1;
    this.#forgotten = this.#version;
    this.#history.length = 0;
    this.#snapshots.clear();
  }

  list(limit: number, token: string | undefined): FakePage | undefined {
    const snapshot =
      token === undefined
        ? { version: this.#version, pods: [...this.#pods.values()] }
        : this.#snapshots.get(token);
    if (snapshot === undefined) return undefined;
    const items = snapshot.pods.slice(0, limit);
    const rest = snapshot.pods.slice(limit);
    const metadata = { resourceVersion: String(snapshot.version) };
    if (rest.length === 0) return { items, metadata };
    const next = randomUUID();
    this.#snapshots.set(next, { ...snapshot, pods: rest });
    return { items, metadata: { ...metadata, continue: next } };
  }

  /** Events after `version`, then each new one; undefined if that history was dropped. */
  watch(version: string, onEvent: (event: FakeEvent) => void): (() => void) | undefined {
    const since = Number(version);
    if (since < this.#forgotten) return undefined;
    for (const event of this.#history) {
      if (Number(event.object.metadata.resourceVersion) > since) onEvent(event);
    }
    this.#watchers.add(onEvent);
    return () => void this.#watchers.delete(onEvent);
  }

  #stored({ metadata }: FakePod): FakePod {
    const pod = this.get(metadata.namespace, metadata.name);
    if (pod?.metadata.uid !== metadata.uid) throw new Error(`no such pod: ${metadata.name}`);
    return pod;
  }

  #record(type: FakeEvent['type'], pod: FakePod): FakePod {
    this.#version += 1;
    const metadata = { ...pod.metadata, resourceVersion: this.version };
    const object = { ...pod, metadata };
    const key = `${metadata.namespace}/${metadata.name}`;
    if (type === 'DELETED') this.#pods.delete(key);
    else this.#pods.set(key, object);
    const event = { type, object };
    this.#history.push(event);
    for (const watcher of this.#watchers) watcher(event);
    return object;
  }
}
