import { containersOf, containerStatusesOf, PodNode } from '../../domain/posture/pod-node.ts';
import { imageReference, runningDigest } from '../../domain/posture/image-reference.ts';
import type { KnownPod, PodIndex } from '../../domain/alerts/match-pod.ts';
import type { NamedScope } from '../../domain/identity/quarantine.ts';
import { accountId } from '../../domain/identity/workload.ts';
import type { EndedPod, PodFacts, PodWatch } from '../../ports/pod-watch.ts';
import type { AlertSubject } from './alert-record.ts';

/** The pods of a cluster that run or ended lately, as its watch knows them. */
export function podIndex(watch: PodWatch): PodIndex {
  const byUid = (uid: string | undefined): KnownPod | undefined => {
    if (uid === undefined) return undefined;
    const ended = watch.ended.find(uid);
    return knownPod(uid, watch.find(uid)) ?? (ended && endedPod(ended));
  };
  return {
    byUid,
    byContainer: (id) => byUid(watch.uidOfContainer(id) ?? watch.ended.uidOfContainer(id)),
    byName: (namespace, name) => byUid(watch.uidOf(namespace, name)),
    ended: (namespace, name) => watch.ended.named(namespace, name).map(endedPod),
    isLive: watch.status() === 'live',
  };
}

function endedPod(pod: EndedPod): KnownPod {
  const { uid, namespace, name, endedAt } = pod;
  return { uid, namespace, name, createdAt: knownPod(uid, pod)?.createdAt, endedAt };
}

/** Facts of a pod that runs, or of one that ended lately. */
export function factsOfPod(watch: PodWatch | undefined, uid: string): PodFacts | undefined {
  return watch?.find(uid) ?? watch?.ended.find(uid);
}

function knownPod(uid: string, facts: PodFacts | undefined): KnownPod | undefined {
  if (facts === undefined) return undefined;
  return reading(facts, (pod) => {
    const metadata = pod.at('metadata');
    const createdAt = Date.parse(metadata.at('creationTimestamp').text() ?? '');
    return {
      uid,
      namespace: metadata.at('namespace').text() ?? '',
      name: metadata.at('name').text() ?? '',
      createdAt: Number.isNaN(createdAt) ? undefined : createdAt,
    };
  });
}

/** The pod with its workload. */
export function subjectOf(watch: PodWatch, cluster: string, pod: KnownPod): AlertSubject {
  const { uid, namespace, name } = pod;
  const facts = factsOfPod(watch, uid);
  const workload =
    facts &&
    reading(facts, (manifest) => {
      const serviceAccount = manifest.at('spec', 'serviceAccountName').text() ?? 'default';
      return accountId({ cluster, namespace, serviceAccount });
    });
  return { uid, namespace, name, workload };
}

export function podScope(
  cluster: string,
  uid: string,
  pod: Pick<KnownPod, 'namespace' | 'name'> | undefined,
): NamedScope {
  const named = pod && { pod: { namespace: pod.namespace, name: pod.name } };
  return { kind: 'pod', subject: `${cluster}/${uid}`, ...named };
}

/** The digests of the images that a pod names or runs. */
export function digestsOf(facts: PodFacts | undefined): ReadonlySet<string> {
  const digests =
    facts &&
    reading(facts, (pod) => [
      ...containersOf(pod).map(
        (container) => imageReference(container.at('image').text() ?? '')?.digest,
      ),
      ...containerStatusesOf(pod).map((status) => runningDigest(status.at('imageID').text())),
    ]);
  return new Set(digests?.filter((digest) => digest !== undefined));
}

/** Reads a pod object; undefined for one of an unexpected form. */
export function reading<T>({ manifest }: PodFacts, read: (pod: PodNode) => T): T | undefined {
  try {
    return manifest && read(new PodNode(manifest.read(), ''));
  } catch {
    return undefined;
  }
}
