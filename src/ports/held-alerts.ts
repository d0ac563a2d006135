import type { Alert } from '../domain/alerts/alert.ts';

/** The alerts of one request that a held broker received. */
export interface HeldAlerts {
  readonly source: string;
  /** Undefined if the source speaks for no cluster that the alerts name. */
  readonly cluster: string | undefined;
  readonly alerts: readonly Alert[];
}

/** Keeps alerts outside the store while it is held: a held broker writes nothing into the store. */
export interface HeldAlertStorage {
  /** The alerts are durable when it resolves. @throws ERR_HELD if there is no more room */
  keep(held: HeldAlerts): Promise<void>;
  /** Passes each request kept so far to `take`, and removes it when `take` resolves. */
  drain(take: (held: HeldAlerts) => Promise<void>): Promise<void>;
}
