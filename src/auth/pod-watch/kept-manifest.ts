import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { processFingerprint } from '../../crypto/hashes/process-fingerprint.ts';
import { SHORTEST_COMPARED } from '../../domain/posture/secret-values.ts';
import type { PodManifest } from '../../ports/pod-watch.ts';
import type { Members } from '../watch/members.ts';

/** Annotations that the Pod Security Standards of old versions read. */
const KEPT_ANNOTATION =
  /^(?:container\.apparmor\.security\.beta|(?:container\.)?seccomp\.security\.alpha)\.kubernetes\.io\//;
const CONTAINERS = ['initContainers', 'containers', 'ephemeralContainers'];
const STATUSES = ['initContainerStatuses', 'containerStatuses', 'ephemeralContainerStatuses'];
const DROPPED = ['command', 'args'];
/** A pod may name thousands of guesses in its variables. */
const MOST_FINGERPRINTS = 256;

/**
 * Keeps a pod object in about a kilobyte, for checks that may come later. Command lines, values of environment variables and other annotations may
 * hold secrets, and no check needs them. Of longer values it keeps a fingerprint
 * (`valueFingerprint`). Members of an unexpected type are kept as they are, so that a check refuses the pod.
 */
export function keepManifest({ metadata, spec, status }: Members): KeptManifest {
  const fingerprints = { left: MOST_FINGERPRINTS };
  const keep = (containers: unknown): unknown => keptContainers(containers, fingerprints);
  const kept = {
    metadata: changed(metadata, { annotations: keptAnnotations }, [
      'managedFields',
      'labels',
      'ownerReferences',
    ]),
    spec: changed(spec, Object.fromEntries(CONTAINERS.map((list) => [list, keep]))),
    status: isMembers(status)
      ? Object.fromEntries(STATUSES.map((list) => [list, each(status[list], keptStatus)]))
      : status,
  };
  return new PackedManifest(Buffer.from(JSON.stringify(kept)));
}

/** A packed manifest. */
export interface KeptManifest extends PodManifest {
  /** The compressed object. */
  readonly packed: Uint8Array;
  /** Memory that it takes. */
  readonly bytes: number;
}

/**
 * A manifest that an earlier process packed. The key of its fingerprints was lost with that process, so what they stand for is unknown.
 */
export function savedManifest(packed: Uint8Array): PodManifest {
  const blank = (name: string, value: unknown): unknown =>
    name === 'valueFingerprint' ? '' : value;
  return { read: () => JSON.parse(zstdDecompressSync(packed).toString(), blank) as unknown };
}

class PackedManifest implements KeptManifest {
  readonly packed: Uint8Array;
  constructor(json: Buffer) {
    // A copy: the result of the compressor keeps its whole output block of 16 KB.
    this.packed = new Uint8Array(zstdCompressSync(json));
  }
  get bytes(): number {
    return this.packed.length;
  }
  read(): unknown {
    return JSON.parse(zstdDecompressSync(this.packed).toString());
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

function keptContainers(containers: unknown, fingerprints: { left: number }): unknown {
  return each(containers, (container) =>
    changed(
      container,
      { env: (env) => each(env, (variable) => keptVariable(variable, fingerprints)) },
      DROPPED,
    ),
  );
}

/** The fingerprint is empty if the pod has too many. */
function keptVariable(variable: unknown, fingerprints: { left: number }): unknown {
  const kept = changed(variable, {}, ['value', 'valueFingerprint']);
  const value = isMembers(variable) ? variable['value'] : undefined;
  if (typeof value !== 'string' || value.length < SHORTEST_COMPARED || !isMembers(kept))
    return kept;
  fingerprints.left -= 1;
  return { ...kept, valueFingerprint: fingerprints.left < 0 ? '' : processFingerprint(value) };
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
