import type { PodFacts, PodWatch } from '../../ports/pod-watch.ts';
import { uidOf, type DevPod } from './issuer.ts';

/** Pod with the fields that a posture profile judges. */
export interface RunningPod extends DevPod {
  readonly labels: Readonly<Record<string, string>>;
  /** Image of the pod, pinned by its digest. */
  readonly image: string;
}

const GONE: PodFacts = { state: 'ended', labels: new Map() };

/** Pods that no node runs, in place of the watch of a cluster. They run from `startedAt` until the process ends. */
export function devPods(pods: readonly RunningPod[], startedAt: number): PodWatch {
  // Whole seconds, as of Kubernetes: many sources of alerts round their times down, and an alert that is older than its pod is about another pod.
  const creationTimestamp = new Date(startedAt - (startedAt % 1_000)).toISOString();
  const running = new Map(
    pods.map((pod) => {
      const uid = uidOf('pod', `${pod.namespace}/${pod.name}`);
      return [uid, factsOf(pod, { uid, creationTimestamp })] as const;
    }),
  );
  return {
    status: () => 'live',
    find: (uid) => running.get(uid),
    lastKnown: (uid) => running.get(uid),
    lastLabels: (uid) => running.get(uid)?.labels,
    save: () => undefined,
    uidOf: (namespace, name) => {
      const uid = uidOf('pod', `${namespace}/${name}`);
      return running.has(uid) ? uid : undefined;
    },
    uidOfContainer: () => undefined,
    ended: { find: () => undefined, named: () => [], uidOfContainer: () => undefined },
    confirm: ({ uid }) => Promise.resolve(running.get(uid) ?? GONE),
    close: () => Promise.resolve(),
  };
}

function factsOf(
  { namespace, name, serviceAccount, labels, image }: RunningPod,
  object: { readonly uid: string; readonly creationTimestamp: string },
): PodFacts {
  const containers = [{ name: 'web', image }];
  const manifest = {
    metadata: { name, namespace, ...object },
    spec: { serviceAccountName: serviceAccount, containers },
    status: { phase: 'Running', containerStatuses: [{ name: 'web', image, imageID: image }] },
  };
  return {
    state: 'running',
    labels: new Map(Object.entries(labels)),
    manifest: { read: () => manifest },
  };
}
