import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Refusals } from '../../src/audit/base/refusals.ts';
import { RunningApi, type PartsOptions } from '../kit/api/running-api.ts';
import { storedEntries, type StoredEntry } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
afterEach(() => api.stop());

const wide = { perSecond: 100_000, burst: 1_000_000 };

async function start(options: PartsOptions = {}): Promise<void> {
  const limits = { identityRate: wide, denialRate: wide, ...options.limits };
  api = await RunningApi.start({ ...options, limits, denials: {} });
  await api.seed();
  token = await api.logIn();
}

async function refused(): Promise<readonly StoredEntry[]> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.filter(({ outcome }) => outcome !== 'ok');
}

/** Entries of the current window only: a slow machine would produce two windows. */
async function summaries(): Promise<readonly StoredEntry[]> {
  const { denials } = api.broker.parts;
  if (!(denials instanceof Refusals)) throw new Error('another tally');
  await denials.flush();
  return (await refused()).filter(({ action }) => action === 'request.refused_summary');
}

const read = (path: string, headers: Record<string, string> = {}) =>
  api.call('GET', `/api/v1/secrets/${path}`, { token, headers });

async function many(count: number, send: (index: number) => Promise<{ status: number }>) {
  const answers = await Promise.all(Array.from({ length: count }, (_, index) => send(index)));
  return new Set(answers.map(({ status }) => status));
}

describe('a workload with many denials', () => {
  it('gets a few entries and one summary with caller, actions, count, first and last time (A11)', async () => {
    await start();
    expect(await many(200, () => read('other/secret'))).toEqual(new Set([403]));
    const [summary, ...more] = await summaries();
    expect(more).toEqual([]);
    const single = (await refused()).filter(({ action }) => action === 'secret.read');
    expect(single).toHaveLength(5);
    expect(summary).toMatchObject({
      actor: { kind: 'workload', id: 'k8s://c1/prod/api', podName: 'api-0' },
      outcome: 'deny',
      code: 'ERR_DENIED',
      path: 'other/secret',
      refused: 'secret.read',
      count: 195,
    });
    expect(Date.parse(String(summary?.['last']))).toBeGreaterThanOrEqual(
      Date.parse(String(summary?.['since'])),
    );
  });

  it('cannot produce more entries by requesting different paths (A11)', async () => {
    await start();
    await many(400, (index) => read(`other/secret-${index}`));
    const found = await summaries();
    const single = (await refused()).filter(({ action }) => action === 'secret.read');
    expect(single.length).toBeLessThanOrEqual(50);
    expect(found.length).toBeLessThanOrEqual(33);
    const counted = found.reduce((sum, { count }) => sum + Number(count), 0);
    expect(counted + single.length).toBe(400);
    expect(found.filter(({ path }) => path === undefined)).toHaveLength(1);
  });

  it('cannot produce more entries with batches (A11)', async () => {
    await start();
    const items = Array.from({ length: 100 }, (_, index) => ({ path: `other/s-${index}` }));
    const batch = () => api.call('POST', '/api/v1/secrets:batch', { token, body: { items } });
    expect(await many(4, batch)).toEqual(new Set([200]));
    const found = await summaries();
    expect((await refused()).length).toBeLessThanOrEqual(50 + found.length);
  });

  it('is found by a search for workload, path, outcome or refused action', async () => {
    await start();
    await many(20, () => read('other/secret'));
    await summaries();
    const search = async (query: string): Promise<readonly unknown[]> => {
      const url = `/api/v1/audit/entries?${query}`;
      const { body } = await api.call('GET', url, { token: auditor });
      const { items } = body as { items: { entry: StoredEntry }[] };
      return items.map(({ entry }) => entry.action);
    };
    const auditor = await api.operator('aud', [{ role: 'auditor' }]);
    const queries = [
      'workload=k8s%3A%2F%2Fc1%2Fprod%2Fapi&path=other%2Fsecret&outcome=deny',
      'pathPrefix=other&action=secret.read',
      'action=request.refused_summary',
      'code=ERR_DENIED&path=other%2Fsecret&namespace=prod',
    ];
    for (const query of queries) {
      let found: readonly unknown[] = [];
      while (!found.includes('request.refused_summary')) found = await search(query);
      expect(found).toContain('request.refused_summary');
    }
  });

  it('produces short entries, however long its requests are (A11)', async () => {
    await start();
    const headers = { 'User-Agent': 'u'.repeat(5_000), 'X-Request-Id': 'r'.repeat(5_000) };
    const path = `other/${'p'.repeat(500)}`;
    await read(path, headers);
    const [entry] = (await refused()).filter(({ action }) => action === 'secret.read');
    const { client } = entry as unknown as { client: Record<string, string> };
    for (const text of [String(entry?.['path']), client['userAgent'], client['requestId']]) {
      expect(text).toMatch(/^.{128}\.\.\.\[\d+ characters, sha256 [0-9a-f]{64}\]$/);
    }
    expect(JSON.stringify(entry).length).toBeLessThan(1_700);
    const auditor = await api.operator('aud', [{ role: 'auditor' }]);
    const url = `/api/v1/audit/entries?path=${encodeURIComponent(path)}&outcome=deny`;
    let found: unknown[] = [];
    while (found.length === 0) {
      const { body } = await api.call('GET', url, { token: auditor });
      found = (body as { items: unknown[] }).items;
    }
    expect(found).toHaveLength(1);
  });

  it('gets 429 once it exceeds its rate of denials, and still reads what it may read (A11)', async () => {
    await start({ limits: { denialRate: { perSecond: 0.001, burst: 10 } } });
    await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } });
    const statuses = await many(30, () => read('other/secret'));
    expect(statuses).toEqual(new Set([403, 429]));
    const limited = await read('other/secret');
    expect(limited.status).toBe(429);
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
    expect((await read('app/x')).status).toBe(200);
  });

  it('gets 429 for items of a batch too', async () => {
    await start({ limits: { denialRate: { perSecond: 0.001, burst: 10 } } });
    const items = Array.from({ length: 20 }, () => ({ path: 'other/secret' }));
    const { body } = await api.call('POST', '/api/v1/secrets:batch', { token, body: { items } });
    const codes = (body as { items: { error: { code: string } }[] }).items.map(
      ({ error }) => error.code,
    );
    expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'ERR_DENIED'));
    expect(codes.slice(10)).toEqual(Array.from({ length: 10 }, () => 'ERR_RATE_LIMITED'));
  });
});

describe('a caller without a session', () => {
  beforeEach(async () => {
    const listener = { trustedProxies: ['127.0.0.0/8'] };
    api = await RunningApi.start({ listener, limits: { addressRate: wide }, refusals: {} });
  });

  const from = (address: string) => {
    const headers = { 'X-Forwarded-For': address };
    return api.call('GET', '/api/v1/sessions/self', { token: 'none', headers });
  };

  /** The refusals of the API in the log, with the summaries of this window. */
  async function recorded(): Promise<readonly StoredEntry[]> {
    const { refusals } = api.broker.parts;
    if (!(refusals instanceof Refusals)) throw new Error('another tally');
    await refusals.flush();
    return refused();
  }

  it('produces as many entries with all addresses of an IPv6 network as with one, and one summary with the network (A11)', async () => {
    const send = (index: number) => from(`2001:db8:7:1::${index.toString(16)}`);
    expect(await many(100, send)).toEqual(new Set([401]));
    const found = await recorded();
    expect(found.filter(({ action }) => action === 'request.refused')).toHaveLength(20);
    expect(found.filter(({ action }) => action === 'request.refused_summary')).toMatchObject([
      { count: 80, client: { address: '2001:db8:7:1::/64' }, actor: { kind: 'unauthenticated' } },
    ]);
  });

  it('produces at most 200 entries and 257 summaries, however many networks it uses (A11)', async () => {
    const send = (index: number) => from(`10.0.${index >> 8}.${index & 255}`);
    expect(await many(500, send)).toEqual(new Set([401]));
    const found = await recorded();
    const counted = found.filter(({ action }) => action === 'request.refused_summary');
    expect(found.length - counted.length).toBe(200);
    expect(counted).toHaveLength(56 + 1);
    expect(counted.filter(({ client }) => client === undefined)).toMatchObject([
      { count: 500 - 200 - 56, actor: { kind: 'system', id: 'refusals' } },
    ]);
  });
});
