import type { LabelSelector, Labels } from '../domain/posture/label-selector.ts';
import type { CallContext } from './call-context.ts';

/** The end of a pod: DELETED, Succeeded or Failed, a deletionTimestamp in the past, or another UID under its name. */
export interface PodEnd {
  readonly cluster: string;
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  readonly reason: 'deleted' | 'succeeded' | 'failed' | 'deletion_passed' | 'replaced';
}

export interface ChangedPod extends Omit<PodEnd, 'reason'> {
  readonly labels: ReadonlyMap<string, string>;
}

export type PodState = 'running' | 'terminating' | 'ended' | 'unknown';

export interface PodFacts {
  readonly state: PodState;
  readonly labels: Labels;
  /** Undefined for a deleted pod. A new object after each change of the pod. */
  readonly manifest?: PodManifest | undefined;
}

/**
 * The kept part of a pod object: all but command lines, values of environment variables and most annotations. Longer values are replaced by a
 * fingerprint.
 */
export interface PodManifest {
  /** The parsed object; a new one at each call. */
  read(): unknown;
}

/** A pod that ended lately. */
export interface EndedPod extends PodFacts {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Time at which the watch saw the end, milliseconds since the epoch. */
  readonly endedAt: number;
}

/** The pods of one cluster that ended in the last six hours and are gone from the API server, as far as memory has room for them. */
export interface EndedPods {
  find(uid: string): EndedPod | undefined;
  /** Pods that had this name, the oldest first. */
  named(namespace: string, name: string): readonly EndedPod[];
  /** The UID of the pod with this container, by the first 12 hexadecimal digits of its id; undefined if two pods share them. */
  uidOfContainer(id: string): string | undefined;
}

/** Facts of a running pod in a form that a file keeps over a restart. */
export interface SavedPod {
  readonly uid: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Manifest as the watch packed it. */
  readonly manifest: Uint8Array;
}

/** Facts of the pods of one cluster that an earlier process saved. */
export interface SavedPods {
  /** Milliseconds since the epoch at which the facts were good. */
  readonly savedAt: number;
  find(uid: string): SavedPod | undefined;
}

/** Silence of the API server, in milliseconds, during which what a watch knew last is good. */
export interface GoodFor {
  readonly factsMs: number;
  readonly labelsMs: number;
}

/** `stale`: the watch received nothing for 60 s. `off`: this cluster has no watch. */
export type WatchStatus = 'off' | 'starting' | 'live' | 'stale';

/** Tracks the running pods of one cluster. */
export interface PodWatch {
  /** Returns the status. While it is stale, login and renewal need a fresh check (`confirm`). */
  status(): WatchStatus;
  /** Answers from memory; undefined if the watch has not seen the pod. */
  find(uid: string): PodFacts | undefined;
  /** The facts of a pod as long as they are good: while the watch is live, and for some minutes of silence after that. */
  lastKnown(uid: string): PodFacts | undefined;
  /** The labels of a pod as long as they are good, which is longer. */
  lastLabels(uid: string): Labels | undefined;
  /** The facts of a pod to save; undefined if it does not run, or while the watch is not live. */
  save(uid: string): SavedPod | undefined;
  /** The UID of the pod that has this name now, from memory. */
  uidOf(namespace: string, name: string): string | undefined;
  /** The UID of the pod with this container, by the first 12 hexadecimal digits of its id; undefined if two pods share them. */
  uidOfContainer(id: string): string | undefined;
  readonly ended: EndedPods;
  /** Sends one fresh GET. @throws ERR_IDENTITY_UNAVAILABLE. */
  confirm(
    pod: { readonly namespace: string; readonly name: string; readonly uid: string },
    context: CallContext,
  ): Promise<PodFacts>;
  close(): Promise<void>;
}

/**
 * Facts of one cluster about the namespaces of its pods. Undefined if they are not known, because no profile requires them or the watch is not live.
 */
export interface NamespaceFacts {
  /** The same map until a label changes. */
  labelsOf(namespace: string): Labels | undefined;
  /** The pods whose egress a NetworkPolicy limits; the same list until a policy changes. */
  egressSelectorsOf(namespace: string): readonly LabelSelector[] | undefined;
}

export interface PodWatchEvents {
  onEnd(end: PodEnd): void;
  /** A relist lost more than a fifth of the known pods. Suspend these pods at once; revoke at backends only after an operator agrees. */
  onMassLoss(ends: readonly PodEnd[]): void;
  onStatus(status: Exclude<WatchStatus, 'off'>): void;
  /** A running pod was added or changed; called for each pod of a list too. */
  onChange(pod: ChangedPod): void;
}
