import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runWhoReceived } from '../../src/cli/verbs/who-received.ts';
import { bearer, BrokerClient, type components } from '../../src/client/index.ts';
import type { EventFields } from '../kit/log/log-bench.ts';
import { LogBench, workloadActor } from '../kit/log/log-bench.ts';
import { cliContext, type CapturedContext } from '../kit/cli/cli-context.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { ScriptedBroker } from '../kit/cli/scripted-api.ts';

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
      first: '2026-01-01T00:01:00.000Z',
      last: '2026-01-01T00:02:00.000Z',
      firstIndex: 1,
      lastIndex: 2,
      version: '2',
      action: 'secret.read',
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
      'receiver,pod,podUid,node,action,version,reads,first,last,firstIndex,lastIndex,validUntil',
      'k8s://c1/ns-web/web,web-pod,uid-web-pod,,secret.read,1,1,2026-01-01T00:04:00.000Z,2026-01-01T00:04:00.000Z,4,4,',
    ]);
  });

  it('reports a version that no caller received', async () => {
    const { out } = await ask({ secretVersion: '9' }, 'table');
    expect(out()).toBe(
      'no entry of the log shows a caller that received version 9 of payments/db\n',
    );
  });

  it('adds up the pages, keeps the latest end of a lease, and names the archive', async () => {
    const receipt = { receiver: 'k8s://c1/a/b', podUid: 'u', action: 'secret.read', version: '3' };
    const at = (minute: number): string => `2026-01-01T00:0${minute}:00.000Z`;
    const [newer, older] = [
      {
        ...receipt,
        lease: 'lea_2',
        reads: 2,
        first: at(4),
        last: at(5),
        firstIndex: 7,
        lastIndex: 9,
      },
      {
        ...receipt,
        lease: 'lea_1',
        reads: 3,
        first: at(1),
        last: at(3),
        firstIndex: 2,
        lastIndex: 6,
      },
    ];
    const archived = { first: 0, end: 2, objects: ['log-0'], hasMore: false };
    const broker = new ScriptedBroker({
      listReceivers: ({ query }) =>
        query?.['after'] === undefined
          ? { items: [newer, { ...older, validUntil: at(8) }], next: '0.2' }
          : { items: [{ ...older, reads: 1, firstIndex: 1, validUntil: at(7) }], archived },
    });
    const context = cliContext({ broker, format: 'json' });
    await runWhoReceived(context, { args: [PATH], options: {} });
    const facts = { ...receipt, first: at(1), last: at(5), validUntil: at(8), reads: 6 };
    const items = [{ ...facts, firstIndex: 1, lastIndex: 9 }];
    expect(JSON.parse(context.out())).toEqual({ path: PATH, archived, items });
    expect(context.err()).toContain('entries 0 to 1 may match too: they are archived');
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

describe('GET /audit/receivers', () => {
  type Receipt = components['schemas']['Receipt'];

  /** The items of all pages of so many entries. */
  async function pages(limit: number): Promise<readonly Receipt[]> {
    const items: Receipt[] = [];
    for await (const item of client.pages('listReceivers', { query: { path: PATH, limit } }))
      items.push(item);
    return items;
  }

  it('shows the same disclosures in pages of any size', async () => {
    const counts = (items: readonly Receipt[]): Record<string, number> => {
      const sums: Record<string, number> = {};
      for (const { receiver, podUid, version = '', reads } of items) {
        const name = `${receiver} ${podUid} ${version}`;
        sums[name] = (sums[name] ?? 0) + reads;
      }
      return sums;
    };
    const whole = counts(await pages(1_000));
    expect(Object.values(whole).reduce((sum, reads) => sum + reads)).toBe(1_105);
    // 1,104 reads in twelve pages: the issued credential is in a page of its own.
    expect(counts(await pages(92))).toEqual(whole);
    expect(counts(await pages(500))).toEqual(whole);
  });

  it('refuses a cursor that it did not return, and a missing path', async () => {
    for (const query of ['path=a/b&after=2', 'path=a/b&after=0.x', 'version=3']) {
      const { status } = await api.call('GET', `/api/v1/audit/receivers?${query}`, {
        token: api.admin,
      });
      expect(status).toBe(400);
    }
  });

  it('shows until when the lease of a receiver is valid', async () => {
    const own = await RunningApi.start();
    try {
      await own.seed();
      const session = await own.logIn();
      await own.call('PUT', '/api/v1/secrets/app/one', {
        token: session,
        body: { data: { password: 'x' } },
        headers: { 'If-None-Match': '*' },
      });
      const read = await own.call('GET', '/api/v1/secrets/app/one', { token: session });
      const { id, endsAt } = read.body.lease;
      const receivers = async (): Promise<readonly Receipt[]> => {
        const url = '/api/v1/audit/receivers?path=app/one&version=1';
        const { body } = await own.call('GET', url, { token: own.admin });
        return (body as { items: Receipt[] }).items;
      };
      const [receipt, ...others] = await receivers();
      expect(others).toEqual([]);
      expect(receipt).toMatchObject({ lease: id, validUntil: endsAt, version: '1', reads: 1 });
      const { status, text } = await own.call(
        'GET',
        `/api/v1/audit/entries/${receipt!.lastIndex}/proof`,
        { token: own.admin },
      );
      expect(status).toBe(200);
      expect(text).toContain(id);
      await own.call('POST', '/api/v1/leases:revoke', {
        token: own.admin,
        body: { by: 'path', path: 'app/one' },
      });
      expect((await receivers())[0]).not.toHaveProperty('validUntil');
    } finally {
      await own.stop();
    }
  });
});
