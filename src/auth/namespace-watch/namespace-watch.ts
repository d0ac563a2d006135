import type { Labels, LabelSelector } from '../../domain/posture/label-selector.ts';
import type { NamespaceFacts, WatchStatus } from '../../ports/pod-watch.ts';
import { LabelPool } from '../pod-watch/label-pool.ts';
import { malformed, membersOf } from '../watch/members.ts';
import { ResourceWatch, type WatchDependencies, type WatchSink } from '../watch/resource-watch.ts';
import { readNetworkPolicy } from './network-policy.ts';

/** Selection of namespaces that profiles need. */
export interface WantedOfNamespaces {
  readonly labels: boolean;
  readonly networkPolicies: boolean;
}

/** Listener for changes of one namespace; without a name, a list may have changed every namespace. */
export type OnNamespaceChange = (namespace: string | undefined) => void;

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** A table that a list and a watch fill. */
interface Table {
  put(object: unknown): Named;
  remove(object: unknown): Named;
  dropUnseen(seen: ReadonlySet<string>): void;
}

const NAMESPACES = { name: 'namespaces', path: ['api', 'v1', 'namespaces'], pageLimit: 500 };
const NETWORK_POLICIES = {
  name: 'networkpolicies',
  path: ['apis', 'networking.k8s.io', 'v1', 'networkpolicies'],
  pageLimit: 500,
};

/** Labels of namespaces, and the NetworkPolicies in them. Each is watched only while a profile asks for it. */
export class NamespaceWatch implements NamespaceFacts {
  readonly #dependencies: WatchDependencies;
  readonly #onChange: OnNamespaceChange;
  #labels: Watched<LabelTable> | undefined;
  #policies: Watched<PolicyTable> | undefined;

  constructor(dependencies: WatchDependencies, onChange: OnNamespaceChange) {
    this.#dependencies = dependencies;
    this.#onChange = onChange;
  }

  want({ labels, networkPolicies }: WantedOfNamespaces): void {
    if (!labels) void this.#labels?.close();
    this.#labels = labels
      ? (this.#labels ?? this.#watched(NAMESPACES, new LabelTable()))
      : undefined;
    if (!networkPolicies) void this.#policies?.close();
    this.#policies = networkPolicies
      ? (this.#policies ?? this.#watched(NETWORK_POLICIES, new PolicyTable()))
      : undefined;
  }

  #watched<T extends Table>(resource: typeof NAMESPACES, table: T): Watched<T> {
    return new Watched(resource, table, this.#onChange, this.#dependencies);
  }

  labelsOf(namespace: string): Labels | undefined {
    const { goodFor } = this.#dependencies;
    return this.#labels?.good(goodFor?.labelsMs)?.of(namespace);
  }

  egressSelectorsOf(namespace: string): readonly LabelSelector[] | undefined {
    const { goodFor } = this.#dependencies;
    return this.#policies?.good(goodFor?.factsMs)?.of(namespace);
  }

  /** Reports the status of each watch, by resource. */
  statuses(): ReadonlyMap<string, WatchStatus> {
    return new Map([
      [NAMESPACES.name, this.#labels?.status() ?? 'off'],
      [NETWORK_POLICIES.name, this.#policies?.status() ?? 'off'],
    ]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#labels?.close(), this.#policies?.close()]);
  }
}

class Watched<T extends Table> {
  readonly #table: T;
  readonly #watch: ResourceWatch;
  #seen = new Set<string>();

  constructor(
    resource: typeof NAMESPACES,
    table: T,
    onChange: OnNamespaceChange,
    dependencies: WatchDependencies,
  ) {
    this.#table = table;
    const sink: WatchSink = {
      begin: () => this.#seen.clear(),
      page: (objects) => objects.forEach((object) => this.#seen.add(keyOf(table.put(object)))),
      complete: () => {
        table.dropUnseen(this.#seen);
        this.#seen.clear();
        onChange(undefined);
      },
      event: ({ type, object }) => {
        onChange((type === 'DELETED' ? table.remove(object) : table.put(object)).namespace);
      },
      status: () => undefined,
    };
    this.#watch = new ResourceWatch(resource, sink, dependencies);
  }

  /** Returns the table, if it shows the present state, or one that is old by at most this time. */
  good(maxSilenceMs: number | undefined): T | undefined {
    return this.#watch.isGood(maxSilenceMs) ? this.#table : undefined;
  }

  status(): WatchStatus {
    return this.#watch.status();
  }

  close(): Promise<void> {
    return this.#watch.close();
  }
}

class LabelTable implements Table {
  readonly #labels = new Map<string, Labels>();
  readonly #pool = new LabelPool();

  of(namespace: string): Labels | undefined {
    return this.#labels.get(namespace);
  }

  put(object: unknown): Named {
    const { name, labels } = namespaceOf(object);
    this.#labels.set(name, this.#pool.share(labels));
    return { namespace: name, name };
  }

  remove(object: unknown): Named {
    const { name } = namespaceOf(object);
    this.#labels.delete(name);
    return { namespace: name, name };
  }

  dropUnseen(seen: ReadonlySet<string>): void {
    for (const name of this.#labels.keys())
      if (!seen.has(keyOf({ namespace: name, name }))) this.#labels.delete(name);
  }
}

function namespaceOf(object: unknown): { name: string; labels: Record<string, string> } {
  const { name, labels = {} } = membersOf(membersOf(object)['metadata']);
  if (typeof name !== 'string') throw malformed('not_a_namespace');
  return { name, labels: membersOf(labels) as Record<string, string> };
}

/** A team may create any number of policies. A policy that is not kept selects no pod, and only its own namespace notices. */
const MOST_POLICIES_OF_NAMESPACE = 1_000;
const NONE: readonly LabelSelector[] = [];

class PolicyTable implements Table {
  readonly #selectors = new Map<string, Map<string, LabelSelector>>();
  /** Values of `#selectors`, created when they are needed. */
  readonly #lists = new Map<string, readonly LabelSelector[]>();

  of(namespace: string): readonly LabelSelector[] {
    const selectors = this.#selectors.get(namespace);
    if (selectors === undefined) return NONE;
    const list = this.#lists.get(namespace) ?? [...selectors.values()];
    this.#lists.set(namespace, list);
    return list;
  }

  put(object: unknown): Named {
    const policy = readNetworkPolicy(object);
    if (policy.egressOf === undefined) this.#drop(policy);
    else this.#keep(policy, policy.egressOf);
    return policy;
  }

  remove(object: unknown): Named {
    const policy = readNetworkPolicy(object);
    this.#drop(policy);
    return policy;
  }

  dropUnseen(seen: ReadonlySet<string>): void {
    for (const [namespace, selectors] of this.#selectors)
      for (const name of selectors.keys())
        if (!seen.has(keyOf({ namespace, name }))) this.#drop({ namespace, name });
  }

  #keep({ namespace, name }: Named, selector: LabelSelector): void {
    const selectors = this.#selectors.get(namespace) ?? new Map<string, LabelSelector>();
    if (!selectors.has(name) && selectors.size >= MOST_POLICIES_OF_NAMESPACE) return;
    this.#selectors.set(namespace, selectors.set(name, selector));
    this.#lists.delete(namespace);
  }

  #drop({ namespace, name }: Named): void {
    const selectors = this.#selectors.get(namespace);
    if (selectors?.delete(name) !== true) return;
    if (selectors.size === 0) this.#selectors.delete(namespace);
    this.#lists.delete(namespace);
  }
}

function keyOf({ namespace, name }: Named): string {
  return `${namespace}/${name}`;
}
