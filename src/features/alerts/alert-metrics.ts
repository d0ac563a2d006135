import type { Labels, Metric } from '../../ports/metrics.ts';
import { ALERTS } from '../../ports/queries.ts';
import { ALERT_OUTCOMES } from './alert-floods.ts';
import type { Access, Storage } from '../../broker/state/dependencies.ts';
import { limitOf, rotationsOf, type LimitUse } from './response-limits.ts';
import type { Alerting } from './alerting.ts';

/** Sources of alerts that the broker raises itself. */
const OWN_SOURCES = ['posture', 'decoy', 'pod-label'];
/** The source of incidents that an operator opens. Its responses have no limit. */
const OPERATOR = 'operator';

function allSources({ names }: Pick<Alerting['alertSources'], 'names'>): readonly string[] {
  return [...new Set([...names, ...OWN_SOURCES])];
}

/** Alerts of runtime sensors and responses. Every source of the configuration has its series, so that one that never sent anything shows. */
export function alertMetrics({
  alertTallies,
  alertSources,
  store,
}: Pick<Alerting, 'alertTallies' | 'alertSources'> & Pick<Storage, 'store'>): readonly Metric[] {
  return [
    {
      name: 'quaymaster_alerts_total',
      help: 'Runtime alerts that this process received, by source and outcome',
      labels: ['source', 'outcome'],
      values: () =>
        // A counter that begins with its first event has no increase, so an alert rule would miss that event.
        [...allSources(alertSources), OPERATOR].flatMap((source) =>
          ALERT_OUTCOMES.map((outcome) => {
            const count = alertTallies.outcomes().get(source)?.get(outcome) ?? 0;
            return [{ source, outcome }, count] as const;
          }),
        ),
    },
    {
      name: 'quaymaster_alert_source_last_timestamp_seconds',
      help: 'When a source last sent an alert or a test to this process; 0 if it never did',
      labels: ['source'],
      values: () =>
        [...alertSources.names].map((source) => [
          { source },
          (alertTallies.lastAt(source) ?? 0) / 1000,
        ]),
    },
    {
      name: 'quaymaster_alerts_pending',
      help: 'Alerts beyond the limit of their source, whose response an operator must begin or dismiss',
      value: () => store.count(ALERTS.inState('pending')),
    },
    {
      name: 'quaymaster_responses_unfinished',
      help: 'Responses to alerts and incidents that are not complete yet',
      value: async () =>
        (await store.count(ALERTS.inState('responding'))) +
        (await store.count(ALERTS.inState('contained'))),
    },
  ];
}

/** Suspensions that wait for an operator, and the part of their limits that the sources have used. */
export function responseMetrics(parts: Storage & Access & Alerting): readonly Metric[] {
  const { alertSources, quarantines, store, clock } = parts;
  const limits = (value: (use: LimitUse) => number): Promise<[Labels, number][]> =>
    Promise.all(
      alertSources.names.flatMap((source) =>
        (alertSources.find(source)?.clusters ?? []).map(
          async (cluster): Promise<[Labels, number]> => [
            { source, cluster },
            value(await limitOf(parts, source, cluster)),
          ],
        ),
      ),
    );
  return [
    {
      name: 'quaymaster_suspensions',
      help: 'Workloads, pods and operators that get no new secrets until an operator decides on an alert',
      value: () => quarantines.suspensions,
    },
    {
      name: 'quaymaster_response_uncontained_seconds',
      help: 'Age of the oldest response whose scope is not cut off completely; 0 if there is none',
      value: async () => {
        const [oldest] = await store.list(ALERTS.inState('responding'), { limit: 1 });
        return oldest === undefined ? 0 : (clock.now() - oldest.received_at) / 1000;
      },
    },
    {
      name: 'quaymaster_alert_pods_cut_off',
      help: 'Pods of a cluster that the alerts of a source cut off now, and that count for its limit',
      labels: ['source', 'cluster'],
      values: () => limits(({ pods }) => pods),
    },
    {
      name: 'quaymaster_alert_pods_limit',
      help: 'Pods of a cluster that the alerts of a source may cut off at a time; alerts beyond it wait for an operator',
      labels: ['source', 'cluster'],
      values: () => limits(({ most }) => most),
    },
    {
      name: 'quaymaster_alert_rotations',
      help: 'Rotations that the alerts of a source started within the last hour',
      labels: ['source'],
      values: () =>
        Promise.all(
          allSources(alertSources).map(async (source): Promise<[Labels, number]> => {
            const started = await rotationsOf(parts, source);
            return [{ source }, started.length];
          }),
        ),
    },
    {
      name: 'quaymaster_alert_rotations_limit',
      help: 'Rotations that the alerts of a source may start within an hour; secrets beyond it wait',
      value: () => alertSources.maxRotations,
    },
  ];
}
