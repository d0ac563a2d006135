import { malformed, membersOf, type Members } from '../watch/members.ts';
import { keepManifest, type KeptManifest } from './kept-manifest.ts';

/** The few facts of a pod object that the broker uses. */
export interface ObservedPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly phase: string;
  /** The end of its grace period, milliseconds since the epoch; absent unless the pod was deleted. */
  readonly deletionAt?: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly manifest: KeptManifest;
  /** The first 12 digits of the ids of its containers, as far as they have started. */
  readonly containers: readonly string[];
}

const NO_LABELS: Readonly<Record<string, string>> = {};

/** @throws ERR_PROVIDER_MALFORMED. */
export function readPod(object: unknown): ObservedPod {
  const { metadata, status } = membersOf(object);
  const { uid, namespace, name, labels, deletionTimestamp } = membersOf(metadata);
  const { phase } = membersOf(status ?? {});
  if (typeof uid !== 'string' || typeof namespace !== 'string' || typeof name !== 'string') {
    throw malformed('not_a_pod');
  }
  return {
    uid,
    namespace,
    name,
    phase: typeof phase === 'string' ? phase : '',
    labels: labels === undefined ? NO_LABELS : (membersOf(labels) as Record<string, string>),
    manifest: keepManifest(membersOf(object)),
    containers: containersOf(status),
    ...(deletionTimestamp !== undefined && { deletionAt: instantOf(deletionTimestamp) }),
  };
}

const STATUSES = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'];
const CONTAINER_ID = /^[a-z0-9.-]+:\/\/([0-9a-f]{12})/;

function containersOf(status: unknown): readonly string[] {
  if (typeof status !== 'object' || status === null) return [];
  const lists = STATUSES.map((name) => (status as Members)[name]).filter(Array.isArray);
  return lists.flat().flatMap((each: unknown) => {
    const id = typeof each === 'object' && each !== null ? (each as Members)['containerID'] : '';
    const [, digits] = CONTAINER_ID.exec(typeof id === 'string' ? id : '') ?? [];
    return digits ?? [];
  });
}

function instantOf(text: unknown): number {
  const instant = typeof text === 'string' ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(instant)) throw malformed('not_a_pod');
  return instant;
}
