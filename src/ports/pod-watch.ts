import type { CallContext } from './call-context.ts';

/** Why a pod is over: DELETED, Succeeded or Failed, a passed deletionTimestamp, or another UID under its name. */
export interface PodEnd {
  readonly cluster: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly reason: 'deleted' | 'succeeded' | 'failed' | 'deletion_passed' | 'replaced';
}

export type PodState = 'running' | 'terminating' | 'ended' | 'unknown';

export interface PodFacts {
  readonly state: PodState;
  readonly labels: ReadonlyMap<string, string>;
}

/** Knows which pods of one cluster live. */
export interface PodWatch {
  /** `stale`: silent for 60 s; login and renewal then need a review. `off`: this cluster has no watch. */
  status(): 'off' | 'starting' | 'live' | 'stale';
  /** From memory; undefined when the watch has not seen the pod. */
  find(uid: string): PodFacts | undefined;
  /** One fresh GET. @throws ERR_IDENTITY_UNAVAILABLE. */
  confirm(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    context: CallContext,
  ): Promise<PodFacts>;
  close(): Promise<void>;
}

export interface PodWatchEvents {
  onEnd(end: PodEnd): void;
  /** A relist lost more than a fifth of the pods known: suspend these at once, revoke at backends only after an operator agrees. */
  onMassLoss(ends: readonly PodEnd[]): void;
  onStatus(status: 'starting' | 'live' | 'stale'): void;
}
