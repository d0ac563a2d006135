import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { Collector, type ReceivedSpan } from '../kit/fakes/trace-collector.ts';
import { FakeVault } from '../kit/fakes/fake-vault.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const CANARY = 'canary-traces-81f3';
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';

let collector: Collector;
let vault: FakeVault;
let broker: PreparedBroker;

beforeAll(async () => {
  [collector, vault] = await Promise.all([Collector.start(), FakeVault.start()]);
  vault.put('secret', 'shop/hidden-name', { password: CANARY });
  const { address } = vault;
  broker = await PreparedBroker.start({
    files: { 'vault-token': 's.broker', headers: `Authorization: Bearer ${CANARY}\n` },
    config: (directory) => ({
      traces: { endpoint: collector.endpoint, headersFile: `${directory}/headers` },
      connections: {
        kv: {
          type: 'vault',
          address,
          auth: { method: 'token', tokenFile: `${directory}/vault-token` },
          locators: ['secret/**'],
        },
      },
    }),
    documents: {
      '/mounts/kv': {
        prefix: 'kv',
        connection: 'kv',
        options: { engine: 'kv-v2', path: 'secret' },
      },
    },
  });
});

afterAll(async () => {
  await broker.installation.remove();
  await collector.close();
  await vault.close();
});

function below(parent: ReceivedSpan, name: string): ReceivedSpan | undefined {
  return collector.spans.find((span) => span.parentSpanId === parent.spanId && span.name === name);
}

describe('a read of a secret at a backend', () => {
  it('is one trace from the caller over the decision, the call and the commit to the backend', async () => {
    const token = await broker.logIn();
    const headers = { traceparent: `00-${TRACE}-${SPAN}-01` };
    const path = '/api/v1/secrets/kv/shop/hidden-name';
    const answer = await broker.installation.call('GET', path, { token, headers });
    expect(answer.status).toBe(200);
    const name = 'GET /api/v1/secrets/{path}';
    await until('the trace arrives', () =>
      Promise.resolve(collector.spans.some((span) => span.name === name)),
    );
    const request = collector.spans.find((span) => span.name === name)!;
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: SPAN, kind: 2 });
    const decide = below(request, 'decide')!;
    const call = below(decide, 'call')!;
    expect(below(request, 'commit')).toMatchObject({ traceId: TRACE, kind: 1 });
    expect(call.attributes).toEqual([
      { key: 'quaymaster.connection', value: { stringValue: 'kv' } },
    ]);
    const read = vault.requests.find(({ target }) => target.endsWith('hidden-name'));
    expect(read?.headers['traceparent']).toBe(`00-${TRACE}-${call.spanId}-01`);
  });

  it('leaves neither value nor path nor token in an export', () => {
    const exported = collector.requests.map(({ text }) => text).join('\n');
    expect(exported).not.toMatch(/canary|hidden-name|qms_|k8s:/);
    expect(collector.requests[0]?.headers['authorization']).toBe(`Bearer ${CANARY}`);
  });

  it('counts its spans in a metric', async () => {
    expect(await broker.metric('quaymaster_trace_spans_total{result="exported"}')).toBeGreaterThan(
      3,
    );
    expect(await broker.metric('quaymaster_trace_spans_total{result="dropped"}')).toBe(0);
  });
});
