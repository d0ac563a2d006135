import { ResourceWatch } from '../../auth/index.ts';
import { storeClaims } from '../../store/claims.ts';
import type { Claim, Claims } from '../../ports/claims.ts';
import { ClusterDocuments, type Verdict } from './cluster-documents.ts';
import {
  objectKey,
  readClusterObject,
  RESOURCE_GROUP,
  RESOURCE_VERSION,
  RESOURCES,
  namespaceUid,
  resourceOf,
  type ClusterObject,
  type Resource,
} from './cluster-object.ts';
import type { ClusterDocumentsConfig } from './config.ts';
import { ABSENT } from './namespace-uids.ts';
import { NamespaceQueues } from './namespace-queues.ts';
import { ObjectAuthority } from './object-authority.ts';
import { statusPatch } from './object-status.ts';
import { Worker } from '../../broker/kernel/worker.ts';
import { randomFraction } from '../../crypto/random/random.ts';
import { BrokerError } from '../../domain/errors.ts';
import { doubledDelay } from '../../ports/backoff.ts';
import { withDeadline } from '../../ports/deadline.ts';
import type { Metric } from '../../ports/metrics.ts';
import type { KubernetesApi } from '../../ports/kubernetes-api.ts';
import { clusterLog, type ClusterLog } from '../../ports/log.ts';
import type { OptionDeps, OptionSettings, OwnLog, Parts } from '../feature.ts';

const ROUND_MS = 2_000;
/** Objects that were refused for what others wrote, such as a definition without its mount, are retried after this pause, which doubles. */
const RETRY_MS = 5_000;
const DEPENDS_ON_OTHERS: readonly Verdict['reason'][] = ['Conflict', 'TooMany'];
/** A change that an operator makes to a document shows up in the status of its object by then. */
const RESYNC_MS = 10 * 60_000;
const STATUS_MS = 10_000;
/** A page has a few megabytes at most. */
const PAGE_LIMIT = 100;
/** Limits of retries; more wait for the next complete list. */
const MOST_RETRIES = { all: 2_000, ofNamespace: 100 };
/** Time for the UIDs of all namespaces. */
const NAMESPACES_MS = 10_000;
const NAMESPACES_AT_ONCE = 8;
const MERGE_PATCH = 'application/merge-patch+json';

export interface ClusterDocumentsDeps {
  readonly parts: Parts;
  readonly connections: OptionDeps['connections'];
  readonly trail: Pick<OwnLog, 'owner'>;
}

const OBJECT_STATES = ['accepted', 'refused', 'failed'] as const;
export type ObjectState = (typeof OBJECT_STATES)[number];
/** The operator's command for documents that the broker keeps without their resources. */
const CONFIRM = 'quaymaster custom-resource prune';

/** Copies of the custom resources of one cluster. */
export interface CopiedResources {
  readonly cluster: string;
  /** Documents that are kept without their resource. */
  readonly held: number;
  /** Changes that wait for the next complete list, because too many waited. */
  readonly postponed: number;
  count(state: 'accepted' | 'refused' | 'failed'): number;
}

/** The watches of one cluster while this process has the claim. */
interface Watching {
  readonly api: KubernetesApi;
  readonly openedAt: number;
  readonly watches: readonly ResourceWatch[];
}

interface Retry {
  readonly object: ClusterObject;
  /** Attempts so far. Each refusal is an entry of the log, so the pause grows. */
  readonly attempts: number;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/** Copies the custom resources of one cluster into documents. One process of an installation does it, under a claim. */
export class ClusterDocumentsWork {
  readonly cluster: string;
  readonly #log: ClusterLog;
  readonly #config: ClusterDocumentsConfig;
  readonly #deps: ClusterDocumentsDeps;
  readonly #claims: Claims;
  readonly #documents: ClusterDocuments;
  readonly #worker: Worker;
  /** Existing objects of each kind, by the writer of their documents. A kind is absent until its list was complete. */
  readonly #live = new Map<Resource, Set<string>>();
  readonly #states = new Map<string, ObjectState>();
  readonly #retries = new Map<string, Retry>();
  /** States that were not kept since the last complete list, by namespace. */
  readonly #postponed = new Map<string, number>();
  readonly #queues: NamespaceQueues;
  readonly #removals = new Map<Resource, Promise<void>>();
  /** Namespaces whose UIDs are to be compared. One that could not be looked up stays. */
  readonly #unchecked = new Set<string>();
  /** UIDs at the last lookup. */
  readonly #uids = new Map<string, string>();
  #checking = Promise.resolve();
  /** True while lookups of namespaces fail, so that the log has the failure once. */
  #isBlind = false;
  #claim: Claim | undefined;
  #watching: Watching | undefined;

  /** @param alone whether no other process can have the store open */
  constructor(config: ClusterDocumentsConfig, alone: boolean, deps: ClusterDocumentsDeps) {
    const { parts, trail } = deps;
    const { store, clock, digest } = parts;
    this.cluster = config.cluster;
    this.#log = clusterLog(parts.log, config);
    this.#config = config;
    this.#deps = deps;
    const name = `kubernetes-documents/${config.cluster}`;
    this.#claims = storeClaims(store, clock, { owner: trail.owner, alone })(name);
    const authority = new ObjectAuthority(config, digest);
    this.#documents = new ClusterDocuments(parts, authority, hostOf(this.#api()));
    this.#queues = new NamespaceQueues(clock, {
      // Without the claim, another process may have copied a newer state.
      copy: async ({ object, attempts }) => {
        if (this.#isOwner()) await this.#copy(object, attempts);
      },
      postpone: (object) => this.#postpone(object),
    });
    this.#worker = new Worker(name, ROUND_MS, parts, () => this.#round());
  }

  start(): void {
    this.#worker.start();
  }

  async stop(): Promise<void> {
    await this.#worker.stop();
    await this.#close();
    await this.#queues.idle();
    await Promise.all(this.#removals.values());
    // Another broker need not wait until the claim expires. A store that does not answer frees it with time.
    if (this.#claim !== undefined) await this.#claims.giveUp(this.#claim).catch(() => undefined);
  }

  /** Objects in this state; 0 in the processes that do not have the claim. */
  count(state: ObjectState): number {
    return [...this.#states.values()].filter((each) => each === state).length;
  }

  /** States of objects that wait for the next complete list, because too many waited. */
  get postponed(): number {
    return [...this.#postponed.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Count of documents whose deletion is stopped; in every process. */
  get held(): number {
    return this.#documents.held;
  }

  async #round(): Promise<void> {
    const isOwner = this.#isOwner();
    this.#claim = await this.#claims.take();
    if (this.#claim === undefined) {
      await this.#close();
      return;
    }
    const { clock } = this.#deps.parts;
    const known = this.#watching;
    const isCurrent = known?.api === this.#api() && clock.monotonic() - known.openedAt < RESYNC_MS;
    // Without the claim, the changes of the watch were not copied.
    const mustOpen = !isOwner || !isCurrent;
    if (mustOpen) await this.#close();
    await this.checkNamespaces(mustOpen ? undefined : []);
    if (mustOpen) this.#open();
    this.#removeGone();
    for (const retry of this.#retries.values()) {
      // The watch may have brought a newer state of the object meanwhile.
      const isDue = clock.monotonic() >= retry.at && !this.#queues.has(retry.object);
      if (isDue) this.#queues.put(retry);
    }
  }

  /**
   * Removes the policies of namespaces that were deleted, or replaced by others of the same name. At a start, this comes before the first login. One
   * check follows the other, because a start and the first round make one each.
   */
  async checkNamespaces(
    more: Iterable<string> = this.#documents.authority.namespaces.keys(),
  ): Promise<void> {
    for (const name of more) this.#unchecked.add(name);
    const check = this.#checking.then(async () => {
      if (this.#unchecked.size > 0) await this.#checkUids();
    });
    this.#checking = check.catch(() => undefined);
    await check;
  }

  async #checkUids(): Promise<void> {
    const names = [...this.#unchecked];
    this.#unchecked.clear();
    const present = await this.#presentUids(names);
    const existing = this.#live.get(resourceOf('policy')) ?? new Set<string>();
    for (const name of names) if (!present.has(name)) this.#unchecked.add(name);
    try {
      const replaced = await this.#documents.removeReplaced(present, existing, (name, work) =>
        this.#queues.inTurn(name, work),
      );
      for (const [name, uid] of present) this.#uids.set(name, uid);
      if (replaced.length === 0) return;
      this.#log.warn(
        { namespaces: replaced },
        'namespaces were replaced by others of the same name: their policies grant nothing to the next owner',
      );
    } catch (error) {
      for (const name of names) this.#unchecked.add(name);
      throw error;
    }
  }

  /** UIDs by namespace. A namespace that could not be looked up is missing. */
  async #presentUids(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const { clock } = this.#deps.parts;
    const found = new Map<string, string>();
    const waiting = names.values();
    let failure: unknown;
    await withDeadline(clock, NAMESPACES_MS, async (signal) => {
      const ask = async (): Promise<void> => {
        for (const name of waiting) {
          try {
            found.set(name, await this.#uidOf(name, signal));
          } catch (error) {
            failure = error;
          }
        }
      };
      await Promise.all(Array.from({ length: NAMESPACES_AT_ONCE }, ask));
    });
    if (failure !== undefined && !this.#isBlind) {
      this.#log.warn(
        { err: failure, namespaces: names.length - found.size },
        'namespaces could not be looked up, so the broker cannot know whether they were replaced; it retries',
      );
    }
    this.#isBlind = failure !== undefined;
    return found;
  }

  async #uidOf(name: string, signal: AbortSignal): Promise<string> {
    const request = { method: 'GET' as const, path: ['api', 'v1', 'namespaces', name] };
    try {
      return namespaceUid(await this.#api().call(request, signal));
    } catch (error) {
      if (BrokerError.from(error).code === 'ERR_NOT_FOUND') return ABSENT;
      throw error;
    }
  }

  /**
   * Reports whether this process still has the claim. After it was paused, another process may have the claim and newer states of
   * the objects.
   */
  #isOwner(): boolean {
    return this.#claim !== undefined && this.#claim.until > this.#deps.parts.clock.now();
  }

  #api(): KubernetesApi {
    const { connection } = this.#config;
    const found = this.#deps.connections.get(connection);
    if (found?.type === 'kubernetes') return found.api;
    throw new BrokerError('ERR_CONFIG_INVALID', `no kubernetes connection "${connection}"`);
  }

  /** Kinds that the configuration does not accept are not watched: the broker needs no rights on them, and their documents go. */
  #open(): void {
    const { namespaces, clusterKinds } = this.#config;
    const accepted: readonly string[] = clusterKinds;
    const watched = RESOURCES.filter(({ isNamespaced, objectKind }) =>
      isNamespaced ? namespaces.length > 0 : accepted.includes(objectKind),
    );
    for (const resource of RESOURCES) {
      if (!watched.includes(resource)) this.#live.set(resource, new Set());
    }
    const api = this.#api();
    this.#watching = {
      api,
      openedAt: this.#deps.parts.clock.monotonic(),
      watches: watched.map((resource) => this.#watch(api, resource)),
    };
  }

  async #close(): Promise<void> {
    const watches = this.#watching?.watches ?? [];
    this.#watching = undefined;
    await Promise.all(watches.map((watch) => watch.close()));
    this.#queues.clear();
    this.#live.clear();
    this.#states.clear();
    this.#retries.clear();
    this.#postponed.clear();
  }

  #watch(api: KubernetesApi, resource: Resource): ResourceWatch {
    const { clock } = this.#deps.parts;
    const path = ['apis', RESOURCE_GROUP, RESOURCE_VERSION, resource.plural];
    let listed = new Set<string>();
    return new ResourceWatch(
      { name: resource.plural, path, pageLimit: PAGE_LIMIT },
      {
        begin: () => {
          listed = new Set();
        },
        page: (objects) => {
          for (const each of objects) this.#handleObject(readClusterObject(resource, each), listed);
        },
        complete: () => {
          this.#live.set(resource, listed);
        },
        event: ({ type, object }) => {
          const read = readClusterObject(resource, object);
          if (type === 'DELETED') this.#gone(read);
          else this.#handleObject(read, this.#live.get(resource));
        },
        status: (status) => {
          if (status !== 'stale') return;
          this.#log.warn({ resource: resource.plural }, 'a watch of custom resources is silent');
        },
      },
      { api, clock, log: this.#log, random: randomFraction },
    );
  }

  #handleObject(object: ClusterObject, existing: Set<string> | undefined): void {
    const { authority } = this.#documents;
    existing?.add(authority.ownerOf(object));
    const { namespace } = object;
    const isNew =
      (this.#uids.get(namespace) ?? ABSENT) === ABSENT && authority.namespaces.has(namespace);
    if (isNew) this.#unchecked.add(namespace);
    this.#queues.put({ object, attempts: 0 });
  }

  /** Counts an object for which the queues have no space, and logs the first one of its namespace. */
  #postpone(object: ClusterObject): void {
    const { namespace } = object;
    const count = this.#postponed.get(namespace) ?? 0;
    this.#postponed.set(namespace, count + 1);
    if (count > 0) return;
    this.#log.warn(
      { object: objectKey(object) },
      'too many changes of custom resources wait; the broker reads this one, and further ones of its namespace, in its next complete list, within 10 minutes',
    );
  }

  /** The next round deletes its document, together with others that go at the same time, so that the broker sees how many they are. */
  #gone(object: ClusterObject): void {
    this.#live.get(object.resource)?.delete(this.#documents.authority.ownerOf(object));
    this.#queues.drop(object);
    if (this.#uids.has(object.namespace)) this.#unchecked.add(object.namespace);
    this.#forget(objectKey(object));
  }

  /** Deletes the documents of objects that no longer exist. A kind whose last deletions are not finished waits for the next round. */
  #removeGone(): void {
    for (const [resource, existing] of this.#live) {
      if (this.#removals.has(resource)) continue;
      const removal = this.#removeOthers(resource, existing).finally(() =>
        this.#removals.delete(resource),
      );
      this.#removals.set(resource, removal);
    }
  }

  async #removeOthers(resource: Resource, existing: ReadonlySet<string>): Promise<void> {
    const inTurn = (namespace: string, work: () => Promise<void>): Promise<void> =>
      this.#queues.inTurn(namespace, async () => {
        if (this.#isOwner() && this.#live.get(resource) === existing) await work();
      });
    try {
      const { held, failures } = await this.#documents.removeOthers(resource, existing, inTurn);
      for (const { document, error: err, count } of failures) {
        this.#log.warn(
          { err, document: `${document.kind} ${document.name}`, count },
          'a document whose object was deleted stays until it can be deleted too; the broker retries ever less often, up to every five minutes',
        );
      }
      if (held === 0) return;
      this.#log.error(
        { resource: resource.plural, held, all: this.held, run: CONFIRM },
        'too many custom resources are gone at once: the broker keeps their documents until an operator deletes them or the resources return',
      );
    } catch (err) {
      this.#log.error(
        { err, resource: resource.plural },
        'documents of deleted custom resources could not be deleted now; the broker retries',
      );
    }
  }

  /** Applies the object and writes its status. */
  async #copy(object: ClusterObject, attempts: number): Promise<void> {
    const key = objectKey(object);
    this.#forget(key);
    try {
      const verdict = await this.#documents.apply(object);
      this.#states.set(key, verdict.isAccepted ? 'accepted' : 'refused');
      if (DEPENDS_ON_OTHERS.includes(verdict.reason)) this.#retryLater(key, object, attempts);
      await this.#writeStatus(object, verdict);
    } catch (err) {
      this.#states.set(key, 'failed');
      this.#retryLater(key, object, attempts);
      this.#log.warn(
        { err, object: key },
        'a custom resource could not be copied into a document now; the broker retries',
      );
    }
  }

  async #writeStatus(object: ClusterObject, verdict: Verdict): Promise<void> {
    const { clock } = this.#deps.parts;
    const body = statusPatch(object, verdict, clock.now());
    if (body === undefined) return;
    const { resource, namespace, name } = object;
    const place = resource.isNamespaced ? ['namespaces', namespace] : [];
    const path = ['apis', RESOURCE_GROUP, RESOURCE_VERSION, ...place, resource.plural, name];
    const request = {
      method: 'PATCH' as const,
      path: [...path, 'status'],
      body,
      contentType: MERGE_PATCH,
    };
    try {
      await withDeadline(clock, STATUS_MS, (signal) => this.#api().call(request, signal));
    } catch (error) {
      // The object was deleted meanwhile.
      if (BrokerError.from(error).code !== 'ERR_NOT_FOUND') throw error;
    }
  }

  #retryLater(key: string, object: ClusterObject, attempts: number): void {
    const isOwn = ({ object: { namespace } }: Retry): boolean => namespace === object.namespace;
    const own = [...this.#retries.values()].filter(isOwn).length;
    if (this.#retries.size >= MOST_RETRIES.all || own >= MOST_RETRIES.ofNamespace) {
      this.#postpone(object);
      return;
    }
    const at = this.#deps.parts.clock.monotonic() + doubledDelay(RETRY_MS, RESYNC_MS, attempts);
    this.#retries.set(key, { object, attempts: attempts + 1, at });
  }

  #forget(key: string): void {
    this.#states.delete(key);
    this.#retries.delete(key);
  }
}

function hostOf({ server }: KubernetesApi): string {
  return URL.parse(server)?.hostname ?? server;
}

/** @throws ERR_CONFIG_INVALID */
export function clusterDocuments(
  { kubernetes, store }: OptionSettings,
  deps: ClusterDocumentsDeps,
): readonly ClusterDocumentsWork[] {
  const alone = store.type === 'sqlite';
  return kubernetes.documents.map((each) => new ClusterDocumentsWork(each, alone, deps));
}

export function resourceMetrics(works: () => readonly CopiedResources[]): readonly Metric[] {
  return [
    {
      name: 'quaymaster_custom_resources',
      help: 'Custom resources of Kubernetes by cluster and state: accepted, refused, or failed and retried; 0 in brokers that do not copy them. postponed: changes that wait for the next complete list, because too many waited. held: documents that are kept without their resource',
      labels: ['cluster', 'state'],
      values: () =>
        works().flatMap((work) => [
          ...OBJECT_STATES.map(
            (state) => [{ cluster: work.cluster, state }, work.count(state)] as const,
          ),
          [{ cluster: work.cluster, state: 'postponed' }, work.postponed] as const,
          [{ cluster: work.cluster, state: 'held' }, work.held] as const,
        ]),
    },
  ];
}
