import type { Container, PodSpec } from './pod.ts';

/** The image's own user and group; the group also reads files where the app's user is not known. */
export const AGENT_ID = 10_001;

/** Who the agent runs as, and who reads what it writes. */
export interface RunAs {
  readonly user: number;
  readonly group: number;
  /** The app is the same user: files are for it alone. Else it gets the agent's group, and files are for that. */
  readonly sharesUser: boolean;
}

/**
 * The user of the containers that get the files, where the pod says that they have one and the same, and it is not root. An image's own
 * `USER` is not known here.
 */
export function runAsOf(spec: PodSpec, readers: readonly Container[]): RunAs {
  const user = sameOf(readers.map((reader) => effective('runAsUser', spec, reader)));
  const group = sameOf(readers.map((reader) => effective('runAsGroup', spec, reader)));
  if (user === undefined || user === 0) {
    return { user: AGENT_ID, group: AGENT_ID, sharesUser: false };
  }
  return { user, group: group ?? AGENT_ID, sharesUser: true };
}

function effective(
  field: 'runAsUser' | 'runAsGroup',
  spec: PodSpec,
  container: Container,
): number | undefined {
  return container.securityContext?.[field] ?? spec.securityContext?.[field];
}

function sameOf(ids: readonly (number | undefined)[]): number | undefined {
  return new Set(ids).size === 1 ? ids[0] : undefined;
}
