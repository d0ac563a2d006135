import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateRootKey } from '../../src/crypto/keys/root-keys.ts';
import { ValueFingerprints } from '../../src/crypto/keys/value-fingerprint.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';

const VALUE = { password: 'hunter2-Xy7' };

interface Entry {
  readonly path?: string;
  readonly fingerprint?: string;
  readonly action: string;
}

let api: RunningApi;
let auditor: string;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  auditor = await api.operator('ada', [{ role: 'auditor' }]);
  const session = await api.logIn();
  for (const [path, data] of [
    ['app/one', VALUE],
    ['app/two', VALUE],
    ['app/three', { password: 'another' }],
    ['app/four', { host: 'db.example', password: 'of-four-only', user: 'four' }],
  ] as const) {
    const written = await api.call('PUT', `/api/v1/secrets/${path}`, {
      token: session,
      body: { data },
      headers: { 'If-None-Match': '*' },
    });
    expect(written.status).toBe(201);
    await api.call('GET', `/api/v1/secrets/${path}`, { token: session });
  }
  await api.broker.trail.integrator.integrate();
});
afterAll(() => api.stop());

function trace(token: string, body: object): Promise<Answered> {
  return api.call('POST', '/api/v1/audit:trace', { token, body });
}

async function readEntries(): Promise<readonly Entry[]> {
  const found = await api.call('GET', '/api/v1/audit/entries?action=secret.read', {
    token: auditor,
  });
  return (found.body as { items: { entry: Entry }[] }).items.map(({ entry }) => entry);
}

describe('fingerprints of equal values at two paths', () => {
  it('differ, so that the log does not reveal that the values are equal (AL04)', async () => {
    const entries = await readEntries();
    const fingerprints = entries.map(({ fingerprint }) => fingerprint);
    expect(fingerprints).toHaveLength(4);
    expect(new Set(fingerprints).size).toBe(4);
    for (const each of fingerprints) expect(each).toMatch(/^v2\.[\w-]{22}$/);
  });

  it('give each path its own version name if the backend has no versions', () => {
    const fingerprints = new ValueFingerprints(generateRootKey());
    const [one, two] = ['a', 'b'].map((path) => fingerprints.of(path, VALUE));
    expect(one?.version).not.toBe(two?.version);
    expect(fingerprints.of('a', { ...VALUE })).toEqual(one);
  });
});

describe('POST /audit:trace', () => {
  it('finds the readers of a leaked value at every path, and no other entries', async () => {
    const found = await trace(auditor, { data: VALUE });
    expect(found.status).toBe(200);
    const { items } = found.body as { items: { entry: Entry }[] };
    const paths = items.map(({ entry }) => entry.path).sort();
    expect(paths).toEqual(['app/one', 'app/two']);
    const below = await trace(auditor, { data: VALUE, pathPrefix: 'app/two' });
    expect((below.body as { items: unknown[] }).items).toHaveLength(1);
    const none = await trace(auditor, { data: { password: 'never stored' } });
    expect((none.body as { items: unknown[] }).items).toEqual([]);
  });

  it('finds a value of one key in a secret of several keys, under any key name', async () => {
    for (const key of ['password', 'found']) {
      const found = await trace(auditor, { data: { [key]: 'of-four-only' } });
      const { items } = found.body as { items: { entry: Entry }[] };
      expect(items.map(({ entry }) => entry.path)).toEqual(['app/four']);
    }
    const short = await trace(auditor, { data: { user: 'four' } });
    expect((short.body as { items: unknown[] }).items).toEqual([]);
  });

  it('follows the cursor from page to page', async () => {
    const first = await trace(auditor, { data: VALUE, limit: 1 });
    const { items, next } = first.body as { items: { entry: Entry }[]; next: string };
    const second = await trace(auditor, { data: VALUE, limit: 1, after: next });
    const more = (second.body as { items: { entry: Entry }[] }).items;
    expect([...items, ...more].map(({ entry }) => entry.path)).toEqual(['app/two', 'app/one']);
  });

  it('refuses every caller except an auditor without a scope (A09, AL04)', async () => {
    const responder = await api.operator('rob', [{ role: 'responder' }]);
    const scoped = await api.operator('sue', [{ role: 'auditor', scope: ['app'] }]);
    for (const token of [api.admin, responder, scoped]) {
      expect(await trace(token, { data: VALUE })).toMatchObject({ status: 403 });
    }
    const session = await api.logIn();
    expect((await trace(session, { data: VALUE })).status).toBeGreaterThanOrEqual(401);
  });

  it('records an entry without the value and keeps the value out of logs and answers (A09, AL04)', async () => {
    const found = await trace(auditor, { data: VALUE, pathPrefix: 'app' });
    await trace(auditor, { data: VALUE, password: VALUE.password });
    await trace(auditor, { data: { password: [VALUE.password] } }).then(({ status, text }) => {
      expect(status).toBe(400);
      expect(text).not.toContain(VALUE.password);
    });
    await api.broker.trail.integrator.integrate();
    const entries = await api.call('GET', '/api/v1/audit/entries?action=audit.trace&limit=1000', {
      token: auditor,
    });
    expect(entries.text).toContain('"query":"pathPrefix=app"');
    expect(entries.text + found.text + api.logged.join('')).not.toContain(VALUE.password);
  });

  it('refuses a value in the path or the query, and a body over 1 MiB', async () => {
    const asked = await api.call('POST', '/api/v1/audit:trace?value=x', {
      token: auditor,
      body: { data: VALUE },
    });
    expect(asked.status).toBe(400);
    const huge = await trace(auditor, { data: { password: 'x'.repeat(1_100_000) } });
    expect(huge.status).toBe(413);
  });
});
