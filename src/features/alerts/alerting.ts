import type { AlertSources } from '../../ports/alert-sources.ts';
import type { HeldAlertStorage } from '../../ports/held-alerts.ts';
import type { AlertTallies } from './alert-tallies.ts';
import type { ChangedPods } from './changed-pods.ts';
import type { SeenPods } from './seen-pods.ts';

/** Groups of runtime alerts: their sources, and the counts of this process. */
export interface Alerting {
  readonly alertSources: AlertSources;
  readonly alertTallies: AlertTallies;
  readonly changedPods: ChangedPods;
  readonly heldAlerts: HeldAlertStorage;
  readonly seenPods: SeenPods;
}
