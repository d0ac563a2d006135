import type { AuditChain } from '../ports/audit-chain.ts';
import type { Clock } from '../ports/clock.ts';
import type { RowGuard } from './row-guard.ts';

/** Development and production stamp their stores and refuse each other's. */
export type StoreMode = 'development' | 'production';

/** What every store is given. */
export interface StoreDeps {
  readonly chain: AuditChain;
  readonly clock: Clock;
  readonly mode: StoreMode;
  /** Makes and checks MACs and digests of rows; without it the store keeps none, and cannot be served from. */
  readonly guard?: RowGuard;
  /** Called at named points of a commit; tests end the process or throw there. */
  readonly failpoint?: (name: string) => void;
}

/** Narrowings older than this are pruned; a process that missed more than this has to start again. */
export const CHANGES_KEPT_MS = 24 * 3_600_000;
export const PRUNE_EVERY_MS = 600_000;
export const RETRY_AFTER_MS = 1_000;
