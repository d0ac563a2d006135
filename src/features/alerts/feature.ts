import * as alertRoutes from './routes/alerts.ts';
import * as incidentRoutes from './routes/incidents.ts';
import { documentRoutes } from '../../api/routes/documents.ts';
import { ConfiguredAlertSources } from '../../auth/alert-sources/alert-sources.ts';
import { alertMetrics, responseMetrics } from './alert-metrics.ts';
import { AlertTallies } from './alert-tallies.ts';
import { ChangedPods } from './changed-pods.ts';
import { decoyAlarms, unconfirmedDecoys } from './decoys.ts';
import { podResponseWorker } from './pod-responses.ts';
import { SeenPods } from './seen-pods.ts';
import { responseWorker } from './response-worker.ts';
import { sha256Hex } from '../../crypto/hashes/digest.ts';
import type { AlertsConfig } from '../../auth/alert-sources/config.ts';
import { reloadable } from '../../ports/configuration.ts';
import { HeldAlertFiles, takeHeldAlerts } from './held-alerts.ts';
import type { Option, OptionSettings } from '../feature.ts';
import type { Alerting } from './alerting.ts';
import type { Enforcing } from './enforcement.ts';

declare module '../feature.ts' {
  interface OptionSettings {
    readonly alerts: AlertsConfig;
  }
}

declare module '../../api/request/request-deps.ts' {
  interface ServedParts extends Alerting, Enforcing {}
}

const { approveAlert, dismissAlert, listAlerts, listAlertSources, receiveAlert } = alertRoutes;

const routes = {
  approveAlert,
  dismissAlert,
  listAlerts,
  listAlertSources,
  receiveAlert,
  ...incidentRoutes,
  ...documentRoutes('response-rule', 'ResponseRule', 'ResponseRules', 'response-rules'),
};

/** Runtime alerts, reads of decoys and incidents cut off pods and rotate what they read. */
export const alerts = {
  routes,
  open({ config, clock, log }) {
    const alertSources = new ConfiguredAlertSources(config.alerts, clock);
    const alertTallies = new AlertTallies(clock);
    const changedPods = new ChangedPods();
    const seenPods = new SeenPods(clock);
    const heldAlerts = new HeldAlertFiles(config.audit.checkpointFile, log);
    let hasEarlierDecoys = (): boolean => false;
    return {
      parts: { alertSources, alertTallies, changedPods, heldAlerts, seenPods },
      ports: {
        decoys: decoyAlarms({ alertSources, alertTallies, clock, digest: sha256Hex }),
        sightings: seenPods,
      },
      reloadable: [reloadable((next: OptionSettings) => alertSources.use(next.alerts))],
      watching: () => ({ changedPods }),
      workers: (parts) => [responseWorker(parts), podResponseWorker(parts)],
      beforeServing: (parts) => {
        hasEarlierDecoys = unconfirmedDecoys(parts);
        return takeHeldAlerts(parts);
      },
      warnings: () => (hasEarlierDecoys() ? ['decoys_unconfirmed'] : []),
    };
  },
  metrics: (parts) => [...alertMetrics(parts), ...responseMetrics(parts)],
} satisfies Option;
