import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { PodManifest } from '../../ports/pod-watch.ts';
import type { Members } from '../watch/members.ts';

/** Annotations that the Pod Security Standards of old versions read. */
const KEPT_ANNOTATION =
  /^(?:container\.apparmor\.security\.beta|(?:container\.)?seccomp\.security\.alpha)\.kubernetes\.io\//;
const CONTAINERS = ['initContainers', 'containers', 'ephemeralContainers'];
const STATUSES = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'];
const DROPPED = ['command', 'args'];

/**
 * Keeps a pod object in about a kilobyte, for checks that may come later. Command lines, values of environment variables and other annotations may
 * hold secrets, and no check needs them. Members of an unexpected type are kept as they are, so that a check refuses the pod.
 */
export function keepManifest({ metadata, spec, status }: Members): PodManifest {
  const kept = {
    metadata: changed(metadata, { annotations: keptAnnotations }, [
      ...['managedFields', 'labels', 'ownerReferences'],
    ]),
    spec: changed(spec, Object.fromEntries(CONTAINERS.map((list) => [list, keptContainers]))),
    status: isMembers(status)
      ? Object.fromEntries(STATUSES.map((list) => [list, each(status[list], keptStatus)]))
      : status,
  };
  return new PackedManifest(Buffer.from(JSON.stringify(kept)));
}

class PackedManifest implements PodManifest {
  readonly #packed: Uint8Array;
  constructor(json: Buffer) {
    // A copy: the result of the compressor keeps its whole output block of 16 KB.
    this.#packed = new Uint8Array(zstdCompressSync(json));
  }
  read(): unknown {
    return JSON.parse(zstdDecompressSync(this.#packed).toString());
  }
}

/** The object with some members changed, and without those to drop. */
function changed(
  value: unknown,
  changes: Readonly<Record<string, (member: unknown) => unknown>>,
  dropped: readonly string[] = [],
): unknown {
  if (!isMembers(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !dropped.includes(name))
      .map(([name, member]) => [
        name,
        Object.hasOwn(changes, name) ? changes[name]?.(member) : member,
      ]),
  );
}

function keptAnnotations(annotations: unknown): unknown {
  if (!isMembers(annotations)) return annotations;
  return Object.fromEntries(
    Object.entries(annotations).filter(([name]) => KEPT_ANNOTATION.test(name)),
  );
}

function keptContainers(containers: unknown): unknown {
  return each(containers, (container) =>
    changed(
      container,
      { env: (env) => each(env, (variable) => changed(variable, {}, ['value'])) },
      DROPPED,
    ),
  );
}

function keptStatus(status: unknown): unknown {
  if (!isMembers(status)) return status;
  const { name, imageID, containerID } = status;
  return { name, imageID, containerID };
}

function each(list: unknown, keep: (item: unknown) => unknown): unknown {
  return Array.isArray(list) ? list.map(keep) : list;
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
