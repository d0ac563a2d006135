import type { Workload } from '../identity/workload.ts';
import type { Capability } from './access-policy.ts';

/** What is asked of a view: everything about the request that is not the workload itself. */
export interface ViewRequest {
  readonly capability: Capability;
  readonly path: string;
  /** The peer, or the address that a trusted proxy reports. An address that does not parse is unknown, so allows bound to it fail. */
  readonly sourceAddress: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absent while the pod's labels have not been observed. */
  readonly podLabels?: ReadonlyMap<string, string> | undefined;
  /** Whether values go out sealed to a key of the caller's; absent when a question does not say. */
  readonly sealed?: boolean | undefined;
}

export interface AccessRequest extends ViewRequest {
  readonly workload: Workload;
}

interface AllowDecision {
  readonly effect: 'allow';
  readonly policy: string;
  readonly version: number;
  readonly rule: string;
  /** The least limit of all allows that match; absent when none sets one. */
  readonly maxLeaseTtlSeconds?: number;
}

/** A deny names the first of the denies that match; where nothing matches there is none to name. */
type DenyDecision =
  | {
      readonly effect: 'deny';
      readonly reason: 'denied_by_rule';
      readonly policy: string;
      readonly version: number;
      readonly rule: string;
    }
  | {
      readonly effect: 'deny';
      readonly reason: 'no_rule' | 'path_invalid';
      readonly policy?: undefined;
      readonly version?: undefined;
      readonly rule?: undefined;
    };

/** For the audit entry and the explain operation; a denied caller never sees which rule it was. */
export type Decision = AllowDecision | DenyDecision;
