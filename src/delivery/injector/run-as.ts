import type { Container, PodSpec } from './pod.ts';

/** User and group of the image. If the application's user is unknown, it reads the files by this group. */
export const AGENT_ID = 10_001;

/** User and group of the agent, and the readers of its files. */
export interface RunAs {
  readonly user: number;
  readonly group: number;
  /** The application has the same user, and only it reads the files. Otherwise the pod gets the agent's group, which reads them. */
  readonly sharesUser: boolean;
}

/**
 * The user of the containers that get the files, if the pod sets the same for all of them and it is not root. The `USER` of an image is not known
 * here.
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
