import { setImmediate as loopTurn } from 'node:timers/promises';
import { imageReference, runningDigest } from '../../domain/posture/image-reference.ts';
import { containerStatusesOf, type PodNode } from '../../domain/posture/pod-node.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import type { PodFacts, PodWatch } from '../../ports/pod-watch.ts';
import { SESSIONS } from '../../ports/queries.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import type { AlertRecord, Extent, PodPosture } from './alert-record.ts';
import { digestsOf, factsOfPod, podIndex, podScope, reading } from './pod-index.ts';
import { hasTrait } from './seen-pods.ts';
import type { Enforcing } from './enforcement.ts';

type Parts = Storage & Pick<Access, 'clusters'> & Partial<Enforcing>;

/** Containers that the state of a pod names: the author of the pod chooses their number, and each alert keeps the state. */
const MOST_CONTAINERS = 16;
const LONGEST_IMAGE = 256;
/** Pods that one list names. */
const MOST_NAMED = 20;
/** Pods with sessions that are compared: each takes about 50 µs. */
const MOST_COMPARED = 5_000;
/** Pods that are compared before other requests are answered. */
const SLICE = 50;

export interface NamedPods {
  readonly count: number;
  /** The first twenty. */
  readonly pods: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly uid: string;
  }[];
}

/** Other pods with sessions that have something in common with the pod of an incident. */
export interface Neighbours {
  readonly image: NamedPods;
  readonly node: NamedPods;
  readonly account: NamedPods;
  /** False if more pods have sessions than were compared. */
  readonly isComplete: boolean;
}

interface Traits {
  readonly namespace: string;
  readonly name: string;
  readonly node: string | undefined;
  readonly account: string;
  readonly digests: ReadonlySet<string>;
}

/** The cluster and the UID of a pod. */
export interface PodKey {
  readonly cluster: string;
  readonly uid: string;
}

/** The pod that an incident is about: that of the alert, or the only pod of its scopes. Undefined for an incident about many pods. */
export function podOf(
  scopes: readonly NamedScope[],
  record: Pick<AlertRecord, 'cluster' | 'subject'> | undefined,
): PodKey | undefined {
  if (record?.subject !== undefined) return { cluster: record.cluster, uid: record.subject.uid };
  const [scope, ...others] = scopes;
  if (scope?.kind !== 'pod' || others.length > 0) return undefined;
  const slash = scope.subject.indexOf('/');
  return { cluster: scope.subject.slice(0, slash), uid: scope.subject.slice(slash + 1) };
}

/** The state of a pod that runs or ended lately: its images, debug containers, and what enforced profiles refuse. */
export function postureOf(
  { clusters, enforcement }: Pick<Parts, 'clusters' | 'enforcement'>,
  { cluster, uid }: PodKey,
): PodPosture | undefined {
  const facts = factsOfPod(clusters.watch(cluster), uid);
  const read = facts && reading(facts, imagesOf);
  const traits = facts && traitsOf(facts);
  if (facts === undefined || read === undefined || traits === undefined) return undefined;
  const { namespace, name } = traits;
  const judged = enforcement?.judge({ cluster, namespace, name, uid }, facts);
  const violations = judged?.violations ?? [];
  return {
    state: facts.state,
    ...read,
    violations: violations.map(({ profile, codes }) => ({ profile, codes })),
  };
}

function imagesOf(pod: PodNode): Pick<PodPosture, 'images' | 'ephemeral' | 'omitted'> {
  const running = new Map(
    containerStatusesOf(pod).map((status) => [
      status.at('name').text() ?? '',
      runningDigest(status.at('imageID').text()),
    ]),
  );
  const lists = ['initContainers', 'containers', 'ephemeralContainers'].map((list) =>
    pod.at('spec', list).items(),
  );
  const containers = lists.flat();
  const images = containers.slice(0, MOST_CONTAINERS).map((container) => {
    const name = container.at('name').text() ?? '';
    const image = container.at('image').text() ?? '';
    const digest = running.get(name) ?? imageReference(image)?.digest;
    return {
      container: name,
      image: image.slice(0, LONGEST_IMAGE),
      ...(digest !== undefined && { digest }),
    };
  });
  const omitted = containers.length - images.length;
  const ephemeral = (lists[2] ?? [])
    .slice(0, MOST_CONTAINERS)
    .map((container) => container.at('name').text() ?? '');
  return { images, ephemeral, ...(omitted > 0 && { omitted }) };
}

/** Finds the pods with sessions on the same image, node or service account. Undefined if the pod is not known any more. */
export async function neighboursOf(
  { store, clusters }: Parts,
  { cluster, uid: own }: PodKey,
): Promise<Neighbours | undefined> {
  const watch = clusters.watch(cluster);
  const facts = factsOfPod(watch, own);
  const traits = facts && traitsOf(facts);
  if (watch === undefined || traits === undefined) return undefined;
  const found = { image: new Found(), node: new Found(), account: new Found() };
  const seen = new Set([own]);
  for await (const { pod_uid: uid } of listAll(store, SESSIONS.ofCluster(cluster))) {
    if (uid === null || seen.has(uid)) continue;
    if (seen.size > MOST_COMPARED) return { ...listsOf(found), isComplete: false };
    seen.add(uid);
    if (seen.size % SLICE === 0) await loopTurn();
    compare(found, traits, { uid, traits: traitsIn(watch, uid) });
  }
  return { ...listsOf(found), isComplete: true };
}

/** The pods with a session on a node. */
export async function podsOnNode(
  { store, clusters }: Pick<Parts, 'store' | 'clusters'>,
  cluster: string,
  node: string,
): Promise<readonly NamedScope[]> {
  const watch = clusters.watch(cluster);
  const scopes = new Map<string, NamedScope>();
  for await (const { pod_uid: uid } of listAll(store, SESSIONS.ofCluster(cluster))) {
    if (watch === undefined || uid === null || scopes.has(uid)) continue;
    const traits = traitsIn(watch, uid);
    if (traits?.node === node) scopes.set(uid, podScope(cluster, uid, traits));
  }
  return [...scopes.values()];
}

/** The pods of an extent that a quarantine cuts off. */
export async function podsCutOff(
  { clusters, quarantines }: Pick<Access, 'clusters' | 'quarantines'>,
  { cluster, traits }: Extent,
): Promise<readonly NamedScope[]> {
  const watch = clusters.watch(cluster);
  const scopes: NamedScope[] = [];
  for (const [at, { kind, subject, mode }] of quarantines.inForce().entries()) {
    if (at % SLICE === SLICE - 1) await loopTurn();
    if (watch === undefined || kind !== 'pod' || mode === 'suspended') continue;
    if (!subject.startsWith(`${cluster}/`)) continue;
    const uid = subject.slice(cluster.length + 1);
    if (!hasTrait(factsOfPod(watch, uid), traits)) continue;
    scopes.push(podScope(cluster, uid, podIndex(watch).byUid(uid)));
  }
  return scopes;
}

type FoundPods = Readonly<Record<'image' | 'node' | 'account', Found>>;

function compare(
  found: FoundPods,
  own: Traits,
  { uid, traits }: { readonly uid: string; readonly traits: Traits | undefined },
): void {
  if (traits === undefined) return;
  const pod = { namespace: traits.namespace, name: traits.name, uid };
  if (traits.account === own.account) found.account.add(pod);
  if (own.node !== undefined && traits.node === own.node) found.node.add(pod);
  if ([...traits.digests].some((digest) => own.digests.has(digest))) found.image.add(pod);
}

class Found {
  #count = 0;
  readonly #pods: NamedPods['pods'][number][] = [];

  add(pod: NamedPods['pods'][number]): void {
    this.#count += 1;
    if (this.#pods.length < MOST_NAMED) this.#pods.push(pod);
  }

  list(): NamedPods {
    return { count: this.#count, pods: this.#pods };
  }
}

function listsOf({ image, node, account }: FoundPods): Omit<Neighbours, 'isComplete'> {
  return { image: image.list(), node: node.list(), account: account.list() };
}

function traitsIn(watch: PodWatch, uid: string): Traits | undefined {
  const facts = watch.find(uid);
  return facts && traitsOf(facts);
}

function traitsOf(facts: PodFacts): Traits | undefined {
  return reading(facts, (pod) => {
    const namespace = pod.at('metadata', 'namespace').text() ?? '';
    return {
      namespace,
      name: pod.at('metadata', 'name').text() ?? '',
      node: pod.at('spec', 'nodeName').text(),
      account: `${namespace}/${pod.at('spec', 'serviceAccountName').text() ?? 'default'}`,
      digests: digestsOf(facts),
    };
  });
}
