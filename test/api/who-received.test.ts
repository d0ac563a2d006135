import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runWhoReceived } from '../../src/cli/verbs/who-received.ts';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import type { EventFields } from '../kit/log-bench.ts';
import { LogBench, workloadActor } from '../kit/log-bench.ts';
import { cliContext, type CapturedContext } from '../kit/cli-context.ts';
import { HandClock } from '../kit/hand-clock.ts';
import { RunningApi } from '../kit/parts.ts';

const PATH = 'payments/db';
const START = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

let bench: LogBench;
let api: RunningApi;
let client: BrokerClient;

function read(name: string, minute: number, fields: EventFields = {}): EventFields {
  return { actor: workloadActor(name), version: '2', time: START + minute * MINUTE, ...fields };
}

beforeAll(async () => {
  bench = await LogBench.open(new HandClock());
  await bench.record(
    read('api', 1),
    read('api', 2),
    read('api', 3, { actor: workloadActor('api', 'api-second') }),
    read('web', 4, { version: '1' }),
    read('web', 5, { outcome: 'deny' }),
    read('web', 6, { path: 'payments/other' }),
    read('job', 7, { action: 'secret.write' }),
    read('batch', 8, { action: 'credential.issue', version: undefined }),
  );
  // More than one page of reads by one caller.
  for (let i = 0; i < 11; i++)
    await bench.record(...Array.from({ length: 100 }, () => read('busy', 10 + i)));
  await bench.integrate();
  api = await RunningApi.start();
  Object.assign(api.broker.parts, { audit: bench.reader });
  client = new BrokerClient({ url: api.url }, bearer(api.admin));
});
afterAll(async () => {
  client.close();
  await api.stop();
  await bench.remove();
});

async function ask(options: object, format: 'table' | 'json' = 'json'): Promise<CapturedContext> {
  const context = cliContext({ broker: client, format });
  await runWhoReceived(context, { args: [PATH], options });
  return context;
}

async function receivers(options: object): Promise<readonly Record<string, unknown>[]> {
  const { out } = await ask(options);
  return (JSON.parse(out()) as { items: Record<string, unknown>[] }).items;
}

describe('audit who-received', () => {
  it('lists every caller that received a version, with its pods, times and entries', async () => {
    const items = await receivers({ secretVersion: '2' });
    expect(items.map(({ receiver, pod, reads }) => [receiver, pod, reads])).toEqual([
      ['k8s://c1/ns-busy/busy', 'busy-pod', 1_100],
      ['k8s://c1/ns-api/api', 'api-second', 1],
      ['k8s://c1/ns-api/api', 'api-pod', 2],
    ]);
    expect(items[2]).toMatchObject({
      ...{ first: '2026-01-01T00:01:00.000Z', last: '2026-01-01T00:02:00.000Z' },
      ...{ firstIndex: 1, lastIndex: 2, version: '2', action: 'secret.read' },
    });
  });

  it('includes all versions and issued credentials without a version, and no denial or write', async () => {
    const items = await receivers({});
    const found = items.map(({ receiver, action, version }) => [receiver, action, version]);
    expect(found.slice(1)).toEqual([
      ['k8s://c1/ns-batch/batch', 'credential.issue', undefined],
      ['k8s://c1/ns-web/web', 'secret.read', '1'],
      ['k8s://c1/ns-api/api', 'secret.read', '2'],
      ['k8s://c1/ns-api/api', 'secret.read', '2'],
    ]);
  });

  it('prints CSV with the members of JSON as columns', async () => {
    const { out } = await ask({ secretVersion: '1', csv: true }, 'table');
    expect(out().trimEnd().split('\n')).toEqual([
      'receiver,pod,podUid,node,action,version,reads,first,last,firstIndex,lastIndex',
      'k8s://c1/ns-web/web,web-pod,uid-web-pod,,secret.read,1,1,2026-01-01T00:04:00.000Z,2026-01-01T00:04:00.000Z,4,4',
    ]);
  });

  it('reports a version that no caller received', async () => {
    const { out } = await ask({ secretVersion: '9' }, 'table');
    expect(out()).toBe(
      'no entry of the log shows a caller that received version 9 of payments/db\n',
    );
  });

  it('needs the role auditor', async () => {
    const reader = await api.operator('reader', [{ role: 'secret-reader' }]);
    const other = new BrokerClient({ url: api.url }, bearer(reader));
    const context = cliContext({ broker: other });
    await expect(runWhoReceived(context, { args: [PATH], options: {} })).rejects.toMatchObject({
      code: 'ERR_DENIED',
    });
    other.close();
  });
});
