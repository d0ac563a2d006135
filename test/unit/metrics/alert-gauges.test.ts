import { expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { AlertTallies } from '../../../src/broker/alerts/alert-tallies.ts';
import { registerAlerts, registerContainers } from '../../../src/metrics/security-gauges.ts';
import { HandClock } from '../../kit/time/hand-clock.ts';

type Parts = Parameters<typeof registerAlerts>[1];

it('the metrics of alerts show each source of the configuration, also one that never sent anything', async () => {
  const clock = new HandClock(Date.parse('2026-01-05T10:00:00Z'));
  const alertTallies = new AlertTallies(clock);
  const registry = new Registry();
  const alertSources = { names: ['falco', 'audit'] } as unknown as Parts['alertSources'];
  const store = { count: () => Promise.resolve(2) } as unknown as Parts['store'];
  registerAlerts([registry], { alertTallies, alertSources, store });
  alertTallies.count('falco', 'pending');
  alertTallies.count('falco', 'pending');
  alertTallies.count('falco', 'unmatched');
  const text = await registry.metrics();
  expect(text.split('\n').filter((line) => line.startsWith('quaymaster'))).toEqual([
    'quaymaster_alerts_total{source="falco",outcome="pending"} 2',
    'quaymaster_alerts_total{source="falco",outcome="unmatched"} 1',
    `quaymaster_alert_source_last_timestamp_seconds{source="falco"} ${clock.now() / 1000}`,
    'quaymaster_alert_source_last_timestamp_seconds{source="audit"} 0',
    'quaymaster_alerts_pending 2',
  ]);
  // A second scrape counts nothing twice.
  expect(await registry.metrics()).toBe(text);
});

it('the metrics of containers count statements, quarantines by kind and unfinished responses', async () => {
  const registry = new Registry();
  const parts = {
    evidence: { shareOf: () => ({ rows: 3, bytes: 400 }) },
    attestations: { count: 2, bytes: 50 },
    quarantines: { inForce: () => [{ kind: 'pod' }, { kind: 'pod' }, { kind: 'operator' }] },
    store: { count: () => Promise.resolve(1) },
  } as unknown as Parameters<typeof registerContainers>[1];
  registerContainers([registry], parts);
  const text = await registry.metrics();
  expect(text.split('\n').filter((line) => line.startsWith('quaymaster'))).toEqual([
    'quaymaster_image_statements{kind="evidence"} 3',
    'quaymaster_image_statements{kind="attestation"} 2',
    'quaymaster_image_statement_bytes{kind="evidence"} 400',
    'quaymaster_image_statement_bytes{kind="attestation"} 50',
    'quaymaster_quarantines{kind="workload"} 0',
    'quaymaster_quarantines{kind="pod"} 2',
    'quaymaster_quarantines{kind="operator"} 1',
    'quaymaster_responses_unfinished 1',
  ]);
});
