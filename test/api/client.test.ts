import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { bearer, BrokerClient, WorkloadSession } from '../../src/client/index.ts';
import { eventually } from '../kit/time/eventually.ts';
import { RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let client: BrokerClient;
let admin: BrokerClient;
let session: WorkloadSession;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  client = new BrokerClient({ url: api.url });
  admin = client.as(bearer(api.admin));
  const login = { cluster: 'c1', token: api.serviceAccountToken() };
  session = await WorkloadSession.logIn(client, login);
});
afterAll(async () => {
  client.close();
  await api.stop();
});

describe('the client with a broker', () => {
  it('reports the logged-in identity and when the session expires', () => {
    expect(session.id).toMatch(/^ses_/);
    expect(session.workload.cluster).toBe('c1');
    expect(session.endsAt).toBeGreaterThan(api.broker.parts.clock.now());
  });

  it('writes, reads in one batch and lists', async () => {
    const written = await session.client.call('writeSecret', {
      path: { path: 'app/db' },
      headers: { 'If-None-Match': '*' },
      body: { data: { user: 'app', password: 'p1' } },
    });
    expect(written.status).toBe(201);
    const { body } = await session.client.call('readSecrets', {
      body: { items: [{ path: 'app/db' }, { path: 'other/db' }] },
    });
    expect(body.items).toEqual([
      expect.objectContaining({ version: '1', data: { user: 'app', password: 'p1' } }),
      { path: 'other/db', error: expect.objectContaining({ code: 'ERR_DENIED' }) },
    ]);
  });

  it('passes on a refusal of the broker with all its fields', async () => {
    await expect(
      session.client.call('readSecret', { path: { path: 'other/db' } }),
    ).rejects.toMatchObject({
      name: 'ApiError',
      status: 403,
      code: 'ERR_DENIED',
      requestId: expect.stringMatching(/./),
    });
  });

  it('follows pages to the end', async () => {
    const names: string[] = [];
    for (const name of ['a', 'b', 'c']) {
      await session.client.call('writeSecret', {
        path: { path: `app/page/${name}` },
        headers: { 'If-None-Match': '*' },
        body: { data: { k: 'v' } },
      });
    }
    const pages = session.client.pages('listSecrets', { query: { prefix: 'app/page', limit: 1 } });
    for await (const { path } of pages) names.push(path);
    expect(names).toEqual(['app/page/a', 'app/page/b', 'app/page/c']);
  });

  it('sends a document unchanged, so that errors give the right lines', async () => {
    const text =
      'apiVersion: quaymaster.dev/v1\nkind: AccessPolicy\nmetadata: {name: x}\nspec: 7\n';
    const { body } = await admin.call('validatePolicy', {
      raw: { type: 'application/yaml', text },
    });
    expect(body).toMatchObject({ valid: false, problems: [{ pointer: '/spec', line: 4 }] });
  });

  it('receives an event when a secret changes', async () => {
    await session.client.call('readSecret', { path: { path: 'app/db' } });
    const ending = new AbortController();
    const events = session.client.events({ signal: ending.signal });
    expect((await events.next()).value).toMatchObject({ event: 'ready' });
    await session.client.call('writeSecret', {
      path: { path: 'app/db' },
      headers: { 'If-Match': '"1"' },
      body: { data: { user: 'app', password: 'p2' } },
    });
    expect((await events.next()).value).toMatchObject({
      event: 'secret.changed',
      data: { path: 'app/db' },
    });
    ending.abort(new Error('enough'));
    await expect(events.next()).rejects.toThrow('enough');
  });

  it('reads by path, and several paths in their order', async () => {
    const { version, data } = await session.read('app/db');
    expect([version, data]).toEqual(['2', { user: 'app', password: 'p2' }]);
    const all = await session.readAll(['app/page/a', 'app/db']);
    expect(all.map(({ path }) => path)).toEqual(['app/page/a', 'app/db']);
    await expect(session.readAll(['app/db', 'other/db'])).rejects.toMatchObject({
      code: 'ERR_DENIED',
      path: '/api/v1/secrets/other/db',
    });
  });

  it('follows secrets: each once, then every new version, which it acknowledges', async () => {
    const login = { cluster: 'c1', token: api.serviceAccountToken() };
    const follower = await WorkloadSession.logIn(client, login);
    const versions: string[] = [];
    for await (const { path, version } of follower.follow(['app/page/a', 'app/page/b'])) {
      versions.push(`${path} ${version}`);
      if (versions.length === 4) break;
      if (versions.length < 2) continue;
      await session.client.call('writeSecret', {
        path: { path: 'app/page/a' },
        body: { data: { k: `v${versions.length}` } },
      });
    }
    expect(versions).toEqual(['app/page/a 1', 'app/page/b 1', 'app/page/a 2', 'app/page/a 3']);
    const query = { path: 'app/page/a', action: 'secret.acknowledge' as const };
    const acknowledged = await eventually('both versions are acknowledged', async () => {
      const { body } = await admin.call('searchAudit', { query });
      return body.items.length >= 2 ? body.items : undefined;
    });
    expect(acknowledged.map(({ entry }) => (entry as { version?: string }).version)).toEqual([
      '2',
      '1',
    ]);
    await follower.end();
  });

  it('stops following with an error when the session has ended or the caller aborts', async () => {
    const login = { cluster: 'c1', token: api.serviceAccountToken() };
    const follower = await WorkloadSession.logIn(client, login);
    const following = follower.follow(['app/page/b']);
    expect((await following.next()).value?.version).toBe('1');
    const next = following.next();
    await follower.end();
    await expect(next).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
    const ending = new AbortController();
    const aborted = session.follow(['app/page/b'], { signal: ending.signal });
    await aborted.next();
    const waiting = aborted.next();
    ending.abort(new Error('enough'));
    await expect(waiting).rejects.toThrow('enough');
  });

  it('returns data that is neither JSON nor text as bytes', async () => {
    const { body } = await admin.call('readHealth');
    expect(body).toEqual({ status: 'ok' });
    const checkpoint = await admin.call('readCheckpoint');
    expect(checkpoint.body).toContain('quaymaster.test/api');
  });

  it('renews and closes the session', async () => {
    const before = session.endsAt;
    await session.renew(api.serviceAccountToken());
    expect(session.endsAt).toBeGreaterThanOrEqual(before);
    await session.end();
    await expect(
      session.client.call('readSecret', { path: { path: 'app/db' } }),
    ).rejects.toMatchObject({ code: 'ERR_UNAUTHENTICATED' });
  });
});

describe('the client in a sealed session', () => {
  let sealed: WorkloadSession;
  beforeAll(async () => {
    const login = { cluster: 'c1', token: api.serviceAccountToken(), sealed: true };
    sealed = await WorkloadSession.logIn(client, login);
  });

  it('reads alone, in a batch and again, and opens each answer', async () => {
    for (let read = 0; read < 2; read += 1) {
      const { body } = await sealed.client.call('readSecret', { path: { path: 'app/db' } });
      expect(body.data).toEqual({ user: 'app', password: 'p2' });
    }
    const items = [{ path: 'app/db' }, { path: 'app/none' }];
    const { body } = await sealed.client.call('readSecrets', { body: { items } });
    expect(body.items).toMatchObject([{ version: '2' }, { error: { code: 'ERR_NOT_FOUND' } }]);
  });

  it('receives refusals in the clear', async () => {
    await expect(
      sealed.client.call('readSecret', { path: { path: 'other/db' } }),
    ).rejects.toMatchObject({ code: 'ERR_DENIED' });
  });

  it('lists with a query, follows events, renews and closes', async () => {
    const pages = sealed.client.pages('listSecrets', { query: { prefix: 'app/page', limit: 2 } });
    const names: string[] = [];
    for await (const { path } of pages) names.push(path);
    expect(names).toHaveLength(3);
    const ending = new AbortController();
    const events = sealed.client.events({ signal: ending.signal });
    expect((await events.next()).value).toMatchObject({ event: 'ready' });
    await sealed.renew(api.serviceAccountToken());
    await sealed.end();
    expect((await events.next()).value).toMatchObject({ event: 'session.ended' });
    expect((await events.next()).done).toBe(true);
  });
});
