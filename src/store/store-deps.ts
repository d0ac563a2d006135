import type { AuditChain } from '../ports/audit-chain.ts';
import type { Clock } from '../ports/clock.ts';
import type { RowGuard } from './guard/row-guard.ts';

/** Modes of a broker, which stamp their stores: a store of one mode is refused in the other. */
export type StoreMode = 'development' | 'production';

export interface StoreDeps {
  readonly chain: AuditChain;
  readonly clock: Clock;
  readonly mode: StoreMode;
  /** Computes and checks MACs and digests of rows. Without it the store keeps none, and the broker cannot serve from it. */
  readonly guard?: RowGuard;
  /** The store calls it at named points of a commit. Tests end the process or throw there. */
  readonly failpoint?: (name: string) => void;
  /** The folder of the migrations of both databases, with a trailing slash; by default that of the program. Tests add a migration. */
  readonly migrations?: string | undefined;
}

/** Invalidations older than this are pruned. A process that missed more than this must restart. */
export const CHANGES_KEPT_MS = 24 * 3_600_000;
export const PRUNE_EVERY_MS = 600_000;
export const RETRY_AFTER_MS = 1_000;
