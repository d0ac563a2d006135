import type { AlertFormat } from '../domain/alerts/alert.ts';
import type { PresentedChain } from './workload-authenticator.ts';

/** Credentials with which a request authenticates as a source. */
export interface PresentedSource {
  readonly authorization: string | undefined;
  readonly signature: string | undefined;
  readonly chain: () => PresentedChain | undefined;
}

/** A configured sender of alerts. */
export interface AlertSource {
  readonly name: string;
  readonly format: AlertFormat;
  /** The registered clusters whose pods its alerts name. */
  readonly clusters: readonly string[];
  /** The most pods that its alerts cut off at a time; further ones are suspended until an operator decides. */
  readonly maxResponses: number;
  /** The largest share of the pods with sessions of its cluster that its alerts may cut off. */
  readonly maxWorkloadPercent: number;
  /** The registered cluster of an alert, by the name that the source gives the cluster; undefined if the source does not speak for it. */
  clusterOf(named: string | undefined): string | undefined;
  /** Authenticates before the body is read. `false`: only the signature of the body can decide. @throws ERR_UNAUTHENTICATED */
  admit(presented: PresentedSource): Promise<boolean>;
  /** @throws ERR_UNAUTHENTICATED */
  verify(presented: PresentedSource, body: Uint8Array): Promise<void>;
}

/** The sources of the configuration, and the bounds of the responses to all of them. */
export interface AlertSources {
  find(name: string): AlertSource | undefined;
  readonly names: readonly string[];
  /** Names of workloads that are never cut off; a `*` at the end is a prefix. */
  readonly protectedSubjects: readonly string[];
  /** The label that puts its pod into quarantine. Undefined: no label does. */
  readonly podLabel: string | undefined;
  /** Rotations that responses to the alerts of one source may start in an hour. */
  readonly maxRotations: number;
}
