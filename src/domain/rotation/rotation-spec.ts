import type { TimeWindow } from '../time/time-window.ts';

/** When a secret rotates by itself. */
export type RotationSchedule =
  /** Five fields, or six with seconds first, on the wall clock of `timeZone` (IANA). */
  | { readonly cron: string; readonly timeZone: string }
  /** Seconds from one promotion to the next start. */
  | { readonly everySeconds: number };

/**
 * When the old version stops working at the target: as soon as all holders use the new one, and at the latest at the end of the grace
 * period; only at that end; or when an operator says so.
 */
export type Retirement = 'afterAcks' | 'afterGrace' | 'manual';

/** The new version goes to the holders in one pod first, then to a share of them, then to all; each stage waits for acknowledgements. */
export interface CanarySpec {
  /** Of the pods that hold the secret, in percent: the second stage. */
  readonly sharePercent: number;
  /** How long each stage lasts at least. */
  readonly soakSeconds: number;
}

/** The `rotation` part of a definition: how the credential at its path is rotated. */
export interface RotationSpec {
  /** A connection of the configuration file; absent where nothing but the value itself changes (`generated`). */
  readonly connection?: string;
  /** Which of the connection's ways: `alternating-users`, `access-keys`, … */
  readonly strategy: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly schedule?: RotationSchedule;
  /** Scheduled runs and drills begin only inside one of these; none: at any time. */
  readonly windows: readonly TimeWindow[];
  readonly jitterSeconds: number;
  /** No run begins by itself sooner than this after the last one. */
  readonly atMostEverySeconds: number;
  /** No run starts by itself; runs in progress continue, and operators may still request one. */
  readonly paused: boolean;
  readonly retire: Retirement;
  readonly graceSeconds: number;
  readonly canary?: CanarySpec;
  readonly drillEverySeconds?: number;
  /** An admin confirmed that the accounts of the target belong to this path: the first run needs no proof. */
  readonly takeover?: 'confirmed';
}
