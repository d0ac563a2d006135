import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { RunningApi } from '../kit/api/running-api.ts';

/** Streams of changes, as operators follow them. */
let api: RunningApi;
let workload: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  workload = await api.logIn();
});
afterAll(() => api.stop());

async function follow(token: string): Promise<EventReader> {
  const opened = await EventReader.open(api.url, token, undefined, 'changes');
  if (!(opened instanceof EventReader)) throw new Error(await opened.text());
  await opened.next('ready');
  return opened;
}

function changesOf({ received }: EventReader): readonly string[] {
  return received.flatMap(({ data }) =>
    ((data['changes'] ?? []) as readonly { readonly kind: string; readonly id?: string }[]).map(
      ({ kind, id }) => `${kind} ${id ?? ''}`.trimEnd(),
    ),
  );
}

async function write(path: string): Promise<void> {
  const written = await api.call('PUT', `/api/v1/secrets/${path}`, {
    token: workload,
    body: { data: { password: 'hidden-value' } },
  });
  expect(written.status).toBe(200);
}

describe('a stream of changes', () => {
  it('names what changed to each operator, only as far as its roles show it, and no value', async () => {
    const red = await api.operator('red', [{ role: 'secret-editor', scope: ['app/red'] }]);
    const responder = await api.operator('responder', [{ role: 'responder' }]);
    const rotator = await api.operator('rotator', [{ role: 'rotator', scope: ['app/red'] }]);
    const streams = await Promise.all([red, responder, rotator, api.admin].map(follow));
    const [ofRed, ofResponder, ofRotator, ofAdmin] = streams as [
      EventReader,
      EventReader,
      EventReader,
      EventReader,
    ];
    await write('app/blue/db');
    await write('app/red/db');
    await api.put('definitions/app/red/db', { leaseTtl: '10m' });
    const quarantine = { kind: 'workload', workload: 'k8s://c1/none/none', reason: 'a try' };
    await api.call('POST', '/api/v1/quarantines', { token: api.admin, body: quarantine });
    await until('all is announced', () =>
      Promise.resolve(
        changesOf(ofResponder).includes('quarantine') &&
          changesOf(ofRed).includes('document definition/app/red/db'),
      ),
    );
    expect(changesOf(ofRed)).toEqual(['secret app/red/db', 'document definition/app/red/db']);
    expect(changesOf(ofResponder)).toEqual(
      expect.arrayContaining(['secret app/blue/db', 'secret app/red/db', 'quarantine']),
    );
    expect(changesOf(ofResponder).join()).not.toContain('document');
    expect(changesOf(ofAdmin)).toEqual(expect.arrayContaining(['secret app/blue/db']));
    expect(JSON.stringify(streams.map(({ received }) => received))).not.toContain('hidden-value');
    expect(changesOf(ofRotator)).toEqual([]);
    // The rights that the operator has now decide, not those at its start.
    const { status } = await api.call('PUT', '/api/v1/operators/responder', {
      token: api.admin,
      body: { grants: [{ role: 'rotator' }] },
      headers: { 'If-Match': '*' },
    });
    expect(status).toBe(200);
    await write('app/red/later');
    await until('the next change is announced', () =>
      Promise.resolve(changesOf(ofRed).includes('secret app/red/later')),
    );
    expect(changesOf(ofResponder)).not.toContain('secret app/red/later');
    for (const stream of streams) stream.close();
  });

  it('ends with the token', async () => {
    const token = await api.operator('leaver', [{ role: 'auditor' }]);
    const stream = await follow(token);
    const { body } = await api.call('GET', '/api/v1/operators/leaver/tokens', { token: api.admin });
    const [{ id }] = body.items as [{ id: string }];
    const { status } = await api.call('DELETE', `/api/v1/operators/leaver/tokens/${id}`, {
      token: api.admin,
    });
    expect(status).toBe(204);
    await stream.over();
    expect(stream.received.at(-1)?.type).toBe('token.ended');
  });

  it('is limited to 8 for an operator, across its tokens, and not offered to workloads', async () => {
    const token = await api.operator('many', [{ role: 'auditor' }]);
    const open = await Promise.all(Array.from({ length: 8 }, () => follow(token)));
    const more = (await EventReader.open(api.url, token, undefined, 'changes')) as Response;
    expect(more.status).toBe(429);
    expect(await more.json()).toMatchObject({ code: 'ERR_RATE_LIMITED' });
    open[0]?.close();
    await until('a place is free', async () => {
      const again = await EventReader.open(api.url, token, undefined, 'changes');
      if (!(again instanceof EventReader)) return false;
      again.close();
      return true;
    });
    for (const stream of open) stream.close();
    expect((await api.call('GET', '/api/v1/changes', { token: workload })).status).toBe(403);
  });
});
