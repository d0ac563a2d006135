import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { EventReader } from '../kit/api/event-reader.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
beforeEach(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
  const body = { data: { password: 'hunter2' } };
  await api.call('PUT', '/api/v1/secrets/app/db', { token, body });
  expect((await read()).status).toBe(200);
});
afterEach(() => api.stop());

const read = (): Promise<Answered> => api.call('GET', '/api/v1/secrets/app/db', { token });
const seal = (as = api.admin, body: object = { reason: 'INC-9' }): Promise<Answered> =>
  api.call('POST', '/api/v1/seal', { token: as, body });

describe('a sealed broker', () => {
  it('refuses everything except probes, with one code (ED12)', async () => {
    expect(await seal()).toMatchObject({ status: 200, body: { sealed: true } });
    const asked: readonly (readonly [string, string, object?])[] = [
      ['GET', '/api/v1/secrets/app/db'],
      ['GET', '/api/v1/sessions/self'],
      ['POST', '/api/v1/secrets:batch', { items: [{ path: 'app/db' }] }],
      ['POST', '/api/v1/sessions', { cluster: 'c1', token: api.serviceAccountToken() }],
      ['GET', '/api/v1/events'],
    ];
    for (const [method, path, body] of asked) {
      const answer = await api.call(method, path, { token, body });
      expect(answer).toMatchObject({ status: 503, body: { code: 'ERR_SEALED' } });
      expect(answer.headers).not.toHaveProperty('retry-after');
      const { detail } = answer.body as { readonly detail: string };
      expect(detail).toMatch(
        /^sealed since \d{4}-\S+Z, until it is restarted; .*broker\.seal.* who sealed it and why$/,
      );
      expect(answer.text).not.toMatch(/bootstrap|INC-9/);
    }
    const operator = { token: api.admin };
    const stranger = `${api.admin.slice(0, -1)}${api.admin.endsWith('0') ? '1' : '0'}`;
    const refused = await api.call('GET', '/api/v1/leases', { token: stranger });
    expect(refused.text).not.toMatch(/bootstrap|INC-9/);
    const paths = ['/api/v1/leases', '/api/v1/audit/entries', '/api/v1/operators', '/metrics'];
    for (const path of paths) {
      expect((await api.call('GET', path, operator)).body).toMatchObject({ code: 'ERR_SEALED' });
    }
    expect((await seal()).body).toMatchObject({ code: 'ERR_SEALED' });
  });

  it('tells an operator that it knew before who sealed it, when, why, and what to do', async () => {
    const roles = [{ role: 'auditor' }];
    const [known, silent, out] = await Promise.all(
      ['known', 'silent', 'out'].map((name) => api.operator(name, roles)),
    );
    const leases = (token?: string): Promise<Answered> =>
      api.call('GET', '/api/v1/leases', { token });
    for (const each of [known, out]) expect((await leases(each)).status).not.toBe(401);
    const quarantine = { kind: 'operator', operator: 'out', reason: 'INC-8' };
    const { status } = await api.call('POST', '/api/v1/quarantines', {
      token: api.admin,
      body: quarantine,
    });
    expect(status).toBe(200);
    await seal();
    for (const each of [known, api.admin]) {
      const { detail } = (await leases(each)).body as { readonly detail: string };
      expect(detail).toMatch(
        /^sealed by \w+ at \d{4}-\S+Z, reason: INC-9; restart each replica to unseal it$/,
      );
    }
    for (const each of [silent, out, token, undefined]) {
      expect((await leases(each)).text).not.toContain('INC-9');
    }
  });

  it('is alive and not ready', async () => {
    await seal();
    expect((await api.call('GET', '/healthz')).status).toBe(200);
    const ready = await api.call('GET', '/readyz');
    expect(ready).toMatchObject({ status: 503, body: { ready: false, reasons: ['ERR_SEALED'] } });
  });

  it('holds no key and no value, even those that a caller fetched before (L26)', async () => {
    const { keyring, values, sessions, rows } = api.broker.parts;
    const root = keyring.active;
    const terms = { connection: 'c', generation: 'g', cacheTtlMs: 60_000, staleIfErrorMs: 0 };
    const version = { data: { a: 'b' }, version: '1' };
    await values.current('app/kept', terms, () =>
      Promise.resolve(values.value('app/kept', version)),
    );
    expect(values.isKnown('app/kept', terms)).toBe(true);
    await seal();
    const uses: readonly (() => unknown)[] = [
      () => keyring.active,
      () => keyring.find(root.id),
      () => root.keyFor('rowMac'),
      () => root.exportMaterial(),
      () => sessions.hash(token),
      () => rows.mac('documents', {}),
      () => values.value('app/kept', version),
    ];
    for (const use of uses) expect(use).toThrow(expect.objectContaining({ code: 'ERR_SEALED' }));
    expect(values.isKnown('app/kept', terms)).toBe(false);
    expect(keyring.ids()).toEqual([]);
  });

  it('records the seal first, and its log continues', async () => {
    const { integrator } = api.broker.trail;
    // A sealed broker keeps its claim, but cannot take one.
    await integrator.integrate();
    await seal();
    await read();
    const { store } = api.broker.parts;
    const entries = await storedEntries(store);
    const at = entries.findIndex(({ action }) => action === 'broker.seal');
    expect(entries[at]).toMatchObject({ outcome: 'ok', comment: 'INC-9' });
    const later = entries.slice(at + 1).filter(({ action }) => action === 'request.refused');
    expect(later).toMatchObject([{ code: 'ERR_SEALED' }]);
    await integrator.integrate();
    expect(integrator.status()).toMatchObject({ state: 'active' });
    expect(integrator.status().size).toBeGreaterThan(at);
  });

  it('closes event streams', async () => {
    const stream = await EventReader.open(api.url, token);
    if (!(stream instanceof EventReader)) throw new Error('no stream');
    await stream.next('ready');
    await seal();
    await stream.over();
  });
});

describe('sealing', () => {
  it.each([
    { role: 'auditor' },
    { role: 'policy-editor' },
    { role: 'responder', scope: ['app'] },
    { role: 'secret-editor' },
  ])('is refused to %j', async (grant) => {
    const other = await api.operator('other', [grant]);
    expect((await seal(other)).status).toBe(403);
    expect((await seal(token)).status).toBe(403);
    expect((await read()).status).toBe(200);
  });

  it.each([{}, { reason: '' }, { reason: 7 }])('needs a reason: %j', async (body) => {
    expect((await seal(api.admin, body)).status).toBe(400);
    expect((await read()).status).toBe(200);
  });

  it('is allowed to a responder', async () => {
    expect((await seal(await api.operator('r', [{ role: 'responder' }]))).status).toBe(200);
  });

  it('does not happen if it cannot be recorded', async () => {
    const { store } = api.broker.parts;
    const commit = store.commit.bind(store);
    store.commit = () => Promise.reject(new Error('disk'));
    expect((await seal()).status).toBe(500);
    store.commit = commit;
    expect((await read()).status).toBe(200);
  });
});
