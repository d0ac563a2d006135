import type { Workload } from '../../domain/identity/workload.ts';
import type { PodFacts } from '../../ports/pod-watch.ts';
import type { Write } from '../../ports/store.ts';

/** Additions to the commit of a login. */
export interface Sighting {
  readonly writes: readonly Write[];
  readonly committed: () => void;
}

/** Remembers the images and containers of pods that have sessions, so that an alert finds a pod that is gone. */
export interface Sightings {
  /** The rows about the pod, which commit together with its session; undefined if the store has them. */
  ofLogin(workload: Workload, facts: PodFacts | undefined): Sighting | undefined;
}

export interface Seeing {
  readonly sightings: Sightings;
}

/** A broker without alerts needs to find no pod that is gone. */
export const NO_SIGHTINGS: Sightings = { ofLogin: () => undefined };
