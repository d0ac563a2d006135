import type { TimeWindow } from '../time/time-window.ts';

/** Schedule by which a secret rotates without a request. */
export type RotationSchedule =
  /** Five fields, or six with seconds first, on the wall clock of `timeZone` (IANA). */
  | { readonly cron: string; readonly timeZone: string }
  /** Seconds from one promotion to the next start. */
  | { readonly everySeconds: number };

/**
 * Time at which the old version stops working at the target: when all holders use the new one, and at the latest at the end of the grace period; only
 * at that end; or when an operator retires it.
 */
export type Retirement = 'afterAcks' | 'afterGrace' | 'manual';

/** The new version goes first to the holders in one pod, then to a share of the pods, then to all; each stage waits for acknowledgements. */
export interface CanarySpec {
  /** Percentage of the pods that hold the secret, in the second stage. */
  readonly sharePercent: number;
  /** Shortest duration of each stage. */
  readonly soakSeconds: number;
}

/** The `rotation` part of a definition: how the credential at its path is rotated. */
export interface RotationSpec {
  /** A connection of the configuration file; absent if only the value itself changes (`generated`). */
  readonly connection?: string;
  /** Strategy of the connection: `alternating-users`, `access-keys`, … */
  readonly strategy: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly schedule?: RotationSchedule;
  /** Scheduled runs and drills begin only inside one of these windows; an empty list allows any time. */
  readonly windows: readonly TimeWindow[];
  readonly jitterSeconds: number;
  /** Least seconds between the last run and the next scheduled one. */
  readonly atMostEverySeconds: number;
  /** Stops scheduled runs; runs in progress continue, and operators may still request one. */
  readonly paused: boolean;
  readonly retire: Retirement;
  readonly graceSeconds: number;
  readonly canary?: CanarySpec;
  readonly drillEverySeconds?: number;
  /** An admin confirmed that the accounts of the target belong to this path: the first run needs no proof. */
  readonly takeover?: 'confirmed';
}
