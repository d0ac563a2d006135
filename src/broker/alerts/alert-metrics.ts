import type { Metric } from '../../ports/metrics.ts';
import { ALERTS } from '../../ports/queries.ts';
import type { Storage } from '../state/dependencies.ts';
import { ALERT_OUTCOMES } from './alert-tallies.ts';
import type { Alerting } from './alerting.ts';

/** Sources of alerts that the broker raises itself. */
const OWN_SOURCES = ['posture', 'decoy', 'pod-label', 'operator'];

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
        [...new Set([...alertSources.names, ...OWN_SOURCES])].flatMap((source) =>
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
      value: () => store.count(ALERTS.inState('responding')),
    },
  ];
}
