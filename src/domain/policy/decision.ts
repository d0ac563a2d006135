import type { Workload } from '../identity/workload.ts';
import type { Capability } from './access-policy.ts';

/** The request that a view decides: all facts except the workload itself. */
export interface ViewRequest {
  readonly capability: Capability;
  readonly path: string;
  /** The peer, or the address that a trusted proxy reports. An address that does not parse is unknown, so allows bound to it fail. */
  readonly sourceAddress: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Absent while the pod's labels have not been observed. */
  readonly podLabels?: ReadonlyMap<string, string> | undefined;
  /** True if values are sealed to a key of the caller; absent if the question leaves it open. */
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
  /** The smallest limit of all allows that match; absent if none sets one. */
  readonly maxLeaseTtlSeconds?: number;
}

/** A deny names the first of the denies that match. If no rule matches, it names none. */
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

/** The decision for the audit entry and the explain operation. A denied caller never sees which rule it was. */
export type Decision = AllowDecision | DenyDecision;
