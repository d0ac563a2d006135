import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import { listRows } from '../kit/store/table-rows.ts';

let api: RunningApi;
let pods = 0;
beforeAll(async () => {
  api = await RunningApi.start({ limits: { eventStreams: 6 } });
  await api.seed();
});
afterAll(() => api.stop());

async function holder(): Promise<string> {
  pods += 1;
  return api.logIn({ pod: { name: `api-${pods}`, uid: `pod-uid-${pods}` } });
}

async function write(path: string, value: string): Promise<void> {
  const written = await api.call('PUT', `/api/v1/secrets/${path}`, {
    token: await holder(),
    body: { data: { password: value } },
  });
  expect(written.status).toBe(200);
}

async function read(path: string, token: string): Promise<{ version: string; lease: string }> {
  const answer = await api.call('GET', `/api/v1/secrets/${path}`, { token });
  expect(answer.status).toBe(200);
  return { version: answer.body.version as string, lease: answer.body.lease.id as string };
}

async function follow(token: string, lastEventId?: string): Promise<EventReader> {
  const opened = await EventReader.open(api.url, token, lastEventId);
  if (!(opened instanceof EventReader)) throw new Error(await opened.text());
  return opened;
}

describe('a stream of events', () => {
  it('reports a changed secret to its lease holders only', async () => {
    await write('app/held', 'one');
    const [token, stranger] = [await holder(), await holder()];
    await read('app/held', token);
    const [own, other] = [await follow(token), await follow(stranger)];
    await Promise.all([own.next('ready'), other.next('ready')]);
    await write('app/held', 'two');
    expect((await own.next('secret.changed')).data).toEqual({ path: 'app/held' });
    expect((await read('app/held', token)).version).toBe('2');
    await write('app/unheld', 'x');
    await read('app/unheld', stranger);
    await write('app/unheld', 'y');
    await other.next('secret.changed');
    expect(other.received.map(({ data }) => data)).not.toContainEqual({ path: 'app/held' });
    own.close();
    other.close();
  });

  it("delivers the changes since a login if it starts at the login's event id", async () => {
    await write('app/begun', 'one');
    const opened = await api.call('POST', '/api/v1/sessions', {
      body: { cluster: 'c1', token: api.serviceAccountToken() },
    });
    const { token, eventId } = opened.body as { token: string; eventId: string };
    await read('app/begun', token);
    await write('app/begun', 'two');
    const stream = await follow(token, eventId);
    await stream.next('ready');
    expect(stream.received.map(({ type, data }) => [type, data])).toEqual([
      ['secret.changed', { path: 'app/begun' }],
      ['ready', {}],
    ]);
    stream.close();
  });

  it('delivers each event since the last seen one once', async () => {
    await write('app/since', 'one');
    const token = await holder();
    await read('app/since', token);
    const first = await follow(token);
    const { id } = await first.next('ready');
    first.close();
    await write('app/since', 'two');
    const second = await follow(token, id);
    const { id: seen } = await second.next('secret.changed');
    await second.next('ready');
    expect(second.received.map(({ type }) => type)).toEqual(['secret.changed', 'ready']);
    second.close();
    const third = await follow(token, seen);
    await third.next('ready');
    expect(third.received).toHaveLength(1);
    third.close();
  });

  it.each(['0', '999999999999999'])(
    'reports a gap when it cannot know the events after %s',
    async (id) => {
      const reader = await follow(await holder(), id);
      await reader.next('ready');
      expect(reader.received.map(({ type }) => type)).toEqual(['reset', 'ready']);
      reader.close();
    },
  );

  it('reports a revoked lease, and closes with the session', async () => {
    await write('app/taken', 'one');
    const token = await holder();
    const { lease } = await read('app/taken', token);
    const reader = await follow(token);
    await reader.next('ready');
    const revoked = await api.call('POST', '/api/v1/leases:revoke', {
      token: api.admin,
      body: { by: 'id', id: lease },
    });
    expect(revoked.status).toBe(200);
    await reader.next('leases.changed');
    await api.call('DELETE', '/api/v1/sessions/self', { token });
    await reader.next('session.ended');
    await reader.over();
  });

  it('reports the end of the session once, although its leases expire with it', async () => {
    await write('app/held', 'one');
    const token = await holder();
    await read('app/held', token);
    const reader = await follow(token);
    await reader.next('ready');
    await api.call('DELETE', '/api/v1/sessions/self', { token });
    await reader.over();
    expect(reader.received.map(({ type }) => type)).toEqual(['ready', 'session.ended']);
    // A write after the end of the stream would have terminated the broker's process.
    const alive = await api.call('GET', '/healthz');
    expect(alive.status).toBe(200);
  });

  it('omits a path that the holder may no longer read', async () => {
    await write('app/lost', 'one');
    await write('app/kept', 'one');
    const token = await holder();
    await read('app/lost', token);
    await read('app/kept', token);
    const reader = await follow(token);
    await reader.next('ready');
    await api.put('policies/lost', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'lost' },
      spec: {
        subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
        rules: [{ name: 'no', effect: 'deny', paths: ['app/lost'], capabilities: ['read'] }],
      },
    });
    await write('app/lost', 'two');
    await write('app/kept', 'two');
    await reader.next('secret.changed');
    expect(reader.received.map(({ data }) => data['path'])).not.toContain('app/lost');
    reader.close();
  });

  it('causes one entry and holds no value', async () => {
    await write('app/canary', 'canary-in-a-stream');
    const token = await holder();
    await read('app/canary', token);
    const before = (await storedEntries(api.broker.parts.store)).length;
    const reader = await follow(token);
    await reader.next('ready');
    const after = await storedEntries(api.broker.parts.store);
    expect(after.slice(before).map(({ action, outcome }) => [action, outcome])).toEqual([
      ['event.follow', 'ok'],
    ]);
    await write('app/canary', 'canary-in-a-stream-2');
    await reader.next('secret.changed');
    expect(JSON.stringify(reader.received)).not.toContain('canary-in');
    reader.close();
  });

  it('is limited to four for each pod, and a closed stream frees its place (D14)', async () => {
    const token = await holder();
    const readers = [];
    for (let count = 0; count < 4; count += 1) readers.push(await follow(token));
    await Promise.all(readers.map(async (reader) => reader.next('ready')));
    await expectDenied(api, {
      status: 429,
      code: 'ERR_RATE_LIMITED',
      reason: 'event_streams',
      send: () => api.call('GET', '/api/v1/events', { token }),
    });
    readers[0]?.close();
    let again: EventReader | Response = new Response();
    while (!(again instanceof EventReader)) again = await EventReader.open(api.url, token);
    for (const reader of [...readers, again]) reader.close();
  });

  it.each(['', '-1', '1.5', '01', '1e3', 'x', '99999999999999999'])(
    'is refused after the id "%s"',
    async (id) => {
      const token = await holder();
      await expectDenied(api, {
        status: 400,
        code: 'ERR_REQUEST_INVALID',
        send: () => api.call('GET', '/api/v1/events', { token, headers: { 'Last-Event-ID': id } }),
      });
    },
  );

  it('is refused to operators', async () => {
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      send: () => api.call('GET', '/api/v1/events', { token: api.admin }),
    });
  });
});

describe('an acknowledgement', () => {
  const say = async (token: string, ...items: readonly object[]) =>
    api.call('POST', '/api/v1/acknowledgements', { token, body: { items } });

  it("expires the leases on the holder's earlier versions, and only those", async () => {
    await write('app/ack', 'one');
    const [token, other] = [await holder(), await holder()];
    const old = await read('app/ack', token);
    const theirs = await read('app/ack', other);
    await write('app/ack', 'two');
    const { version, lease } = await read('app/ack', token);
    const answer = await say(token, { path: 'app/ack', version });
    expect(answer.body).toEqual({ items: [{ path: 'app/ack', version, endedLeases: 1 }] });
    const stateOf = async (id: string) => api.broker.parts.store.get('leases', { id });
    expect(await stateOf(old.lease)).toMatchObject({ state: 'ended', cause: 'superseded' });
    expect(await stateOf(lease)).toMatchObject({ state: 'live' });
    expect(await stateOf(theirs.lease)).toMatchObject({ state: 'live' });
    expect((await say(token, { path: 'app/ack', version })).body).toEqual({
      items: [{ path: 'app/ack', version, endedLeases: 0 }],
    });
  });

  it('expires nothing for an older version, and only records a failure', async () => {
    await write('app/back', 'one');
    const token = await holder();
    const old = await read('app/back', token);
    await write('app/back', 'two');
    const { version } = await read('app/back', token);
    const back = await say(token, { path: 'app/back', version: old.version });
    expect(back.body.items[0]).toMatchObject({ endedLeases: 0 });
    const failed = await say(token, {
      path: 'app/back',
      version,
      outcome: 'failed',
      reason: 'login_refused',
    });
    expect(failed.body.items[0]).toMatchObject({ endedLeases: 0 });
    const [said] = await listRows(api.broker.parts.store, 'acknowledgements', {
      equals: { path: 'app/back' },
      limit: 2,
    });
    expect(said).toMatchObject({ version, outcome: 'failed', reason: 'login_refused' });
  });

  it('records one entry for each item and answers each item by itself', async () => {
    await write('app/many', 'one');
    const token = await holder();
    const { version } = await read('app/many', token);
    const before = (await storedEntries(api.broker.parts.store)).length;
    const answer = await say(
      token,
      { path: 'app/many', version },
      { path: 'app/never-read', version: '1' },
      { path: 'other/denied', version: '1' },
    );
    expect(answer.status).toBe(200);
    const codes = (answer.body.items as { error?: { code: string } }[]).map(
      ({ error }) => error?.code,
    );
    expect(codes).toEqual([undefined, 'ERR_CONFLICT', 'ERR_DENIED']);
    const entries = (await storedEntries(api.broker.parts.store)).slice(before);
    expect(entries.map(({ action, outcome, item }) => [action, outcome, item])).toEqual([
      ['secret.acknowledge', 'ok', 0],
      ['secret.acknowledge', 'error', 1],
      ['secret.acknowledge', 'deny', 2],
    ]);
  });

  it.each([
    [{ items: [] }],
    [
      {
        items: [
          { path: 'app/x', version: '1' },
          { path: 'app/x', version: '2' },
        ],
      },
    ],
    [{ items: [{ path: 'app/x', version: '1', reason: 'ok_needs_none' }] }],
    [{ items: [{ path: 'app/x', version: '1', outcome: 'failed', reason: 'pass word: hunter2' }] }],
    [{ items: [{ path: 'app/../x', version: '1' }] }],
    [{ items: [{ path: 'app/x', version: '1', at: 5 }] }],
  ])('is refused if it is %j', async (body) => {
    const token = await holder();
    await expectDenied(api, {
      status: 400,
      code: 'at' in (body.items[0] ?? {}) ? 'ERR_UNKNOWN_FIELD' : 'ERR_BODY_INVALID',
      send: () => api.call('POST', '/api/v1/acknowledgements', { token, body }),
    });
  });
});
