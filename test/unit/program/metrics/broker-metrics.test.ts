import { expect, it } from '@jest/globals';
import {
  brokerMetrics,
  type MeasuredBroker,
} from '../../../../src/program/metrics/broker-metrics.ts';
import { valueMetrics } from '../../../../src/broker/secrets/value-metrics.ts';
import { testMetrics } from '../../../kit/api/test-metrics.ts';
import { CountedRefusals } from '../../../../src/program/log/refusal-tallies.ts';
import { DurationTally } from '../../../../src/domain/time/duration-tally.ts';
import type { CallState } from '../../../../src/ports/backend.ts';

const durations = new DurationTally();
durations.add(30);
const bao: CallState = {
  circuit: 'half-open',
  inFlight: 2,
  queued: 1,
  calls: 4,
  attempts: 5,
  refused: 0,
  results: new Map([
    ['ok', 3],
    ['ERR_PROVIDER_TIMEOUT', 1],
  ]),
  durations,
};

async function seriesOf(name: string, refused = new CountedRefusals()): Promise<string> {
  const metrics = testMetrics();
  const broker = {
    calls: new Map([['bao', () => bao]]),
    refused,
    commits: durations,
    syncMs: 4,
  } as unknown as MeasuredBroker;
  metrics.add(brokerMetrics(broker));
  const values = { tallies: new Map([['bao', { hits: 9, misses: 1 }]]) };
  metrics.add(valueMetrics({ values } as unknown as Parameters<typeof valueMetrics>[0]));
  return metrics.registry.getSingleMetricAsString(name);
}

it.each([
  ['backend_calls_total', 'connection="bao",result="ERR_PROVIDER_TIMEOUT"} 1'],
  ['backend_calls_total', 'connection="bao",result="ok"} 3'],
  ['backend_call_duration_seconds', '_bucket{le="0.025",connection="bao"} 0'],
  ['backend_call_duration_seconds', '_bucket{le="0.05",connection="bao"} 1'],
  ['backend_circuit_open', 'connection="bao"} 1'],
  ['backend_calls_in_flight', 'connection="bao",state="waiting"} 1'],
  ['value_cache_reads_total', 'connection="bao",result="hit"} 9'],
  ['commit_duration_seconds', '_count 1'],
  ['store_sync_seconds', 'quaymaster_store_sync_seconds 0.004'],
])('quaymaster_%s has the series %s', async (name, series) => {
  expect(await seriesOf(`quaymaster_${name}`)).toContain(series);
});

it('counts refusals by action, code and reason, and other reasons together', async () => {
  const refused = new CountedRefusals();
  refused.count('secret.read', 'ERR_DENIED', 'no_rule');
  refused.count('secret.read', 'ERR_DENIED', 'no_rule');
  for (let n = 0; n < 1_000; n += 1) {
    refused.count('session.create', 'ERR_TOKEN_INVALID', `text of a caller ${n}`);
  }
  refused.count('session.create', 'ERR_TOKEN_INVALID', undefined);
  const text = await seriesOf('quaymaster_refusals_total', refused);
  expect(text.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
    'quaymaster_refusals_total{action="secret.read",code="ERR_DENIED",reason="no_rule"} 2',
    'quaymaster_refusals_total{action="session.create",code="ERR_TOKEN_INVALID",reason="other"} 1001',
  ]);
});
