import { workloadId, type Workload } from '../../domain/identity/workload.ts';
import { containerStatusesOf } from '../../domain/posture/pod-node.ts';
import type { Clock } from '../../ports/clock.ts';
import type { PodFacts, PodManifest } from '../../ports/pod-watch.ts';
import { allRows, LOG_READS, SEEN_PODS, SESSIONS } from '../../ports/queries.ts';
import type { RowReader, Store, Write } from '../../ports/store.ts';
import type { Tables } from '../../ports/tables.ts';
import { listAll } from '../../broker/kernel/list-all.ts';
import type { Sighting, Sightings } from '../../broker/recording/sightings.ts';
import type { Storage } from '../../broker/state/dependencies.ts';
import type { AlertSubject, Extent } from './alert-record.ts';
import { digestsOf, reading } from './pod-index.ts';

/** Rows are kept for this long after the last login or change of a pod that has no session any more. */
const KEPT_MS = 30 * 86_400_000;
/** Most rows. Above it, the oldest are removed. A pod has one, and two for each container. */
const MOST_ROWS = 500_000;
const REMOVED_AT_ONCE = 500;
/** Traits of one pod that get rows: its node, its images and its containers. */
const MOST_TRAITS = 64;
/** Age at which a login writes the rows again, so that they do not look old. */
const FRESH_MS = 86_400_000;

export type SeenPod = Pick<
  Tables['seen_pods'],
  'cluster' | 'uid' | 'namespace' | 'name' | 'workload'
>;

const CONTAINER_ID = /^[a-z0-9.-]+:\/\/([0-9a-f]{12})/;

/**
 * Keeps the images and containers of pods with sessions in the store. A watch forgets a pod that is gone after some hours, and at each restart; an attacker
 * who enters a pod and deletes it must not escape by that.
 */
export class SeenPods implements Sightings {
  readonly #clock: Pick<Clock, 'now'>;
  /** Time at which the rows of a pod were stored, by its manifest: a change of the pod makes a new one. */
  readonly #storedAt = new WeakMap<PodManifest, number>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  ofLogin(workload: Workload, facts: PodFacts | undefined): Sighting | undefined {
    if (workload.pod === undefined || facts === undefined) return undefined;
    const { cluster, namespace, pod } = workload;
    return this.of({ cluster, namespace, ...pod, workload: workloadId(workload) }, facts);
  }

  /** The rows of a pod; undefined if this process stored them lately. */
  of({ cluster, uid, namespace, name, workload }: SeenPod, facts: PodFacts): Sighting | undefined {
    const { manifest } = facts;
    const now = this.#clock.now();
    if (manifest === undefined) return undefined;
    if ((this.#storedAt.get(manifest) ?? -Infinity) > now - FRESH_MS) return undefined;
    const row = { cluster, uid, namespace, name, workload, seen_at: now };
    return {
      writes: traitsOf(facts).map((trait) => ({ table: 'seen_pods', put: { ...row, trait } })),
      committed: () => void this.#storedAt.set(manifest, now),
    };
  }
}

function traitsOf(facts: PodFacts): readonly string[] {
  const found = reading(facts, (pod) => ({
    node: pod.at('spec', 'nodeName').text(),
    containers: containerStatusesOf(pod).map(
      (status) => CONTAINER_ID.exec(status.at('containerID').text() ?? '')?.[1],
    ),
  }));
  const { node, containers = [] } = found ?? {};
  const traits = [
    ...(node === undefined ? [] : [nodeTrait(node)]),
    ...[...digestsOf(facts)].map(imageTrait),
    ...containers.filter((digits) => digits !== undefined).map(containerTrait),
  ];
  return traits.slice(0, MOST_TRAITS);
}

export function hasTrait(facts: PodFacts | undefined, traits: readonly string[]): boolean {
  return facts !== undefined && traitsOf(facts).some((trait) => traits.includes(trait));
}

export function imageTrait(digest: string): string {
  return `image:${digest}`;
}

export function nodeTrait(node: string): string {
  return `node:${node}`;
}

function containerTrait(id: string): string {
  return `container:${id.slice(0, 12)}`;
}

/** Finds a pod that the watch does not know, by its UID or a container. Undefined if it had no session, or if two pods share the digits of the container. */
export async function findSeenPod(
  store: RowReader,
  cluster: string,
  named: { readonly uid: string | undefined; readonly container: string | undefined },
): Promise<AlertSubject | undefined> {
  const { uid, container } = named;
  if (uid !== undefined)
    return (await seenByUid(store, cluster, uid)) ?? (await readerByUid(store, cluster, uid));
  if (container === undefined) return undefined;
  const found = await store.list(SEEN_PODS.withTrait(cluster, containerTrait(container)), {
    limit: 2,
  });
  return found.length === 1 ? subjectOf(found[0]) : undefined;
}

/** Pods of one name that are told apart. */
const MOST_NAMESAKES = 5;

/** Finds the pods that had the name and a session, without the one that has it now; at most `MOST_NAMESAKES`. */
export async function findNamesakes(
  store: Store,
  cluster: string,
  {
    namespace,
    name,
    now,
  }: Pick<SeenPod, 'namespace' | 'name'> & { readonly now?: string | undefined },
): Promise<readonly AlertSubject[]> {
  const found = new Map<string, AlertSubject>();
  for await (const row of listAll(store, SEEN_PODS.named(cluster, namespace, name))) {
    const { uid, workload } = row;
    if (uid !== now) found.set(uid, { uid, namespace, name, workload });
    if (found.size === MOST_NAMESAKES) break;
  }
  return [...found.values()];
}

async function seenByUid(
  store: RowReader,
  cluster: string,
  uid: string,
): Promise<AlertSubject | undefined> {
  return subjectOf((await store.list(SEEN_PODS.ofPod(cluster, uid), { limit: 1 }))[0]);
}

/** A pod without a known image or container is found by what it read. */
async function readerByUid(
  store: RowReader,
  cluster: string,
  uid: string,
): Promise<AlertSubject | undefined> {
  const [row] = await store.list(LOG_READS.ofReader(`pod:${cluster}/${uid}`), { limit: 1 });
  if (row === undefined) return undefined;
  const [namespace = '', name = ''] = row.pod?.split('/') ?? [];
  return { uid, namespace, name, workload: row.identity };
}

function subjectOf(row: SeenPod | undefined): AlertSubject | undefined {
  if (row === undefined) return undefined;
  const { uid, namespace, name, workload } = row;
  return { uid, namespace, name, workload };
}

/** The digests of the images of a pod that had a session. */
export async function seenDigestsOf(
  store: RowReader,
  cluster: string,
  uid: string,
): Promise<ReadonlySet<string>> {
  const rows = await store.list(SEEN_PODS.ofPod(cluster, uid), { limit: MOST_TRAITS });
  const digests = rows.map(({ trait }) => /^image:(.+)$/.exec(trait)?.[1]);
  return new Set(digests.filter((digest) => digest !== undefined));
}

/** The pods with sessions, now or earlier, that have one of the traits. A pod with several of them comes several times. */
export async function* seenPods(
  store: Store,
  { cluster, traits }: Extent,
): AsyncGenerator<Tables['seen_pods']> {
  for (const trait of traits) yield* listAll(store, SEEN_PODS.withTrait(cluster, trait));
}

/** Removes the oldest rows. A pod with a session keeps its rows, however long it runs. */
export async function pruneSeenPods({ store, clock }: Storage): Promise<void> {
  const now = clock.now();
  const limit = REMOVED_AT_ONCE;
  const old = await store.list(SEEN_PODS.before(now - KEPT_MS), { limit });
  const excess = Math.min(limit, (await store.count(allRows('seen_pods'))) - MOST_ROWS);
  const many = excess > 0 ? await store.list(SEEN_PODS.before(now), { limit: excess }) : [];
  const writes: Write[] = [];
  for (const { cluster, uid, trait } of many.length > old.length ? many : old) {
    const [session] = await store.list(SESSIONS.ofPod(cluster, uid), { limit: 1 });
    const key = { cluster, trait, uid };
    writes.push(
      session === undefined
        ? { table: 'seen_pods', remove: key }
        : { table: 'seen_pods', key, change: { seen_at: now } },
    );
  }
  if (writes.length > 0) await store.commit({ writes });
}
