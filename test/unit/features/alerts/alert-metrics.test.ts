import { expect, it } from '@jest/globals';
import { AlertTallies } from '../../../../src/features/alerts/alert-tallies.ts';
import { alertMetrics } from '../../../../src/features/alerts/alert-metrics.ts';
import { postureMetrics } from '../../../../src/features/posture/posture-metrics.ts';
import { quarantineMetrics } from '../../../../src/broker/sessions/quarantine-metrics.ts';
import { testMetrics } from '../../../kit/api/test-metrics.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';

type Parts = Parameters<typeof alertMetrics>[0];

it('the metrics of alerts show each source of the configuration, also one that never sent anything', async () => {
  const clock = new HandClock(Date.parse('2026-01-05T10:00:00Z'));
  const alertTallies = new AlertTallies(clock);
  const metrics = testMetrics();
  const alertSources = { names: ['falco', 'audit'] } as unknown as Parts['alertSources'];
  const store = { count: () => Promise.resolve(2) } as unknown as Parts['store'];
  metrics.add(alertMetrics({ alertTallies, alertSources, store }));
  alertTallies.count('falco', 'pending');
  alertTallies.count('falco', 'pending');
  alertTallies.count('falco', 'unmatched');
  const text = await metrics.text();
  const lines = text.split('\n').filter((line) => line.startsWith('quaymaster'));
  expect(lines.filter((line) => line.includes('_total') && !line.endsWith(' 0'))).toEqual([
    'quaymaster_alerts_total{source="falco",outcome="unmatched"} 1',
    'quaymaster_alerts_total{source="falco",outcome="pending"} 2',
  ]);
  expect(lines).toContain('quaymaster_alerts_total{source="audit",outcome="responding"} 0');
  expect(lines).toContain('quaymaster_alerts_total{source="decoy",outcome="responding"} 0');
  expect(lines.filter((line) => !line.includes('_total'))).toEqual([
    `quaymaster_alert_source_last_timestamp_seconds{source="falco"} ${clock.now() / 1000}`,
    'quaymaster_alert_source_last_timestamp_seconds{source="audit"} 0',
    'quaymaster_alerts_pending 2',
    'quaymaster_responses_unfinished 4',
  ]);
  // A second scrape counts nothing twice.
  expect(await metrics.text()).toBe(text);
});

it('the metrics of containers count statements, watched reports and quarantines by kind', async () => {
  const metrics = testMetrics();
  const parts = {
    evidence: { shareOf: () => ({ rows: 3, bytes: 400 }) },
    attestations: { count: 2, bytes: 50 },
    quarantines: { inForce: () => [{ kind: 'pod' }, { kind: 'pod' }, { kind: 'operator' }] },
    watchedReports: () => new Map([['prod', new Map([['stored', 4]])]]),
  };
  metrics.add(postureMetrics(parts as unknown as Parameters<typeof postureMetrics>[0]));
  metrics.add(quarantineMetrics(parts as unknown as Parameters<typeof quarantineMetrics>[0]));
  const text = await metrics.text();
  const isOfBroker = (line: string): boolean => /^quaymaster_(?!scrape)/.test(line);
  expect(text.split('\n').filter(isOfBroker)).toEqual([
    'quaymaster_image_statements{kind="evidence"} 3',
    'quaymaster_image_statements{kind="attestation"} 2',
    'quaymaster_image_statement_bytes{kind="evidence"} 400',
    'quaymaster_image_statement_bytes{kind="attestation"} 50',
    'quaymaster_watched_reports_total{cluster="prod",outcome="stored"} 4',
    'quaymaster_watched_reports_total{cluster="prod",outcome="unchanged"} 0',
    'quaymaster_watched_reports_total{cluster="prod",outcome="refused"} 0',
    'quaymaster_watched_reports_total{cluster="prod",outcome="full"} 0',
    'quaymaster_quarantines{kind="workload"} 0',
    'quaymaster_quarantines{kind="pod"} 2',
    'quaymaster_quarantines{kind="operator"} 1',
  ]);
});
