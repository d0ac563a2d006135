import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { expectDenied, expectProblem } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
afterEach(() => api.stop());

const slow = { perSecond: 0.001 };

async function untilLimited(send: () => Promise<{ status: number }>): Promise<number> {
  for (let count = 0; count < 200; count += 1) if ((await send()).status === 429) return count;
  throw new Error('never limited');
}

describe('the rate limit of a workload', () => {
  it('counts all its sessions together and no other workload (DI10)', async () => {
    api = await RunningApi.start({ limits: { identityRate: { ...slow, burst: 40 } } });
    await api.seed();
    const token = await api.logIn();
    await api.call('PUT', '/api/v1/secrets/app/x', { token, body: { data: { a: 'b' } } });
    const read = (as: string) => api.call('GET', '/api/v1/secrets/app/x', { token: as });
    // 5 for the write; a pod leaves a quarter of the burst to the other pods.
    expect(await untilLimited(() => read(token))).toBe(25);
    const limited = await read(token);
    expectProblem(limited, { status: 429, code: 'ERR_RATE_LIMITED' });
    expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
    expect((await read(await api.logIn())).status).toBe(429);
    const sibling = await api.logIn({ pod: { name: 'api-2', uid: 'pod-2' } });
    expect(await untilLimited(() => read(sibling))).toBe(10);
    const other = await api.logIn({ serviceAccount: { name: 'other', uid: 'sa-2' } });
    expect((await read(other)).status).toBe(200);
  });

  it('counts the items of a batch', async () => {
    api = await RunningApi.start({ limits: { identityRate: { ...slow, burst: 50 } } });
    await api.seed();
    const token = await api.logIn();
    const items = Array.from({ length: 30 }, () => ({ path: 'app/x' }));
    const batch = () => api.call('POST', '/api/v1/secrets:batch', { token, body: { items } });
    expect((await batch()).status).toBe(200);
    await expectDenied(api, { status: 429, code: 'ERR_RATE_LIMITED', send: batch });
  });

  it('charges lists for their calls to backends', async () => {
    api = await RunningApi.start({ limits: { identityRate: { ...slow, burst: 40 } } });
    await api.seed();
    const token = await api.logIn();
    const list = () => api.call('GET', '/api/v1/secrets?prefix=app', { token });
    // Each takes 5 and is charged 1 for its one page.
    expect(await untilLimited(list)).toBeLessThan(25 / 5);
  });

  it('limits its logins and does not affect others (D11, F49)', async () => {
    api = await RunningApi.start({ limits: { loginRate: { ...slow, burst: 5 } } });
    await api.seed();
    const logIn = (name: string) =>
      api.call('POST', '/api/v1/sessions', {
        body: {
          cluster: 'c1',
          token: api.serviceAccountToken({ serviceAccount: { name, uid: name } }),
        },
      });
    expect(await untilLimited(() => logIn('api'))).toBe(5);
    await expectDenied(api, {
      status: 429,
      code: 'ERR_RATE_LIMITED',
      reason: 'login_rate',
      send: () => logIn('api'),
    });
    expect((await logIn('other')).status).toBe(201);
  });

  it('is not spent by logins that only claim its name (F49)', async () => {
    api = await RunningApi.start({
      limits: {
        loginRate: { ...slow, burst: 5 },
        addressRate: { perSecond: 1_000, burst: 10_000 },
      },
    });
    await api.seed();
    for (let count = 0; count < 20; count += 1) {
      const forged = `${api.serviceAccountToken().slice(0, -4)}AAAA`;
      const answer = await api.call('POST', '/api/v1/sessions', {
        body: { cluster: 'c1', token: forged },
      });
      expect(answer.status).toBe(401);
    }
    await api.logIn();
  });
});

describe('the rate limit of an address', () => {
  it('refuses an address after a few failed tokens, however it varies them (F49)', async () => {
    api = await RunningApi.start({ limits: { addressRate: { ...slow, burst: 100 } } });
    await api.seed();
    const token = await api.logIn();
    await api.call('GET', '/api/v1/sessions/self', { token });
    let count = 0;
    const guesses = await untilLimited(() => {
      count += 1;
      return api.call('GET', '/api/v1/secrets/app/x', {
        token: `qms_${String(count).padStart(49, 'a')}`,
        headers: { 'X-Forwarded-For': `203.0.113.${count}`, 'User-Agent': `agent ${count}` },
      });
    });
    expect(guesses).toBeLessThan(15);
    const limited = await api.call('POST', '/api/v1/sessions', {
      body: { cluster: 'c1', token: api.serviceAccountToken() },
    });
    expectProblem(limited, { status: 429, code: 'ERR_RATE_LIMITED' });
    const known = await api.call('GET', '/api/v1/sessions/self', { token });
    expect(known.status).toBe(200);
  });

  it('limits a flood of logins from one and from many addresses, counts it, and serves others (F49)', async () => {
    api = await RunningApi.start({
      listener: { trustedProxies: ['127.0.0.0/8'] },
      limits: { addressRate: { ...slow, burst: 100 } },
    });
    await api.seed();
    const token = await api.logIn();
    let count = 0;
    const forged = (from: string) => {
      count += 1;
      const account = { name: `api-${count}`, uid: `uid-${count}` };
      const body = {
        cluster: 'c1',
        token: `${api.serviceAccountToken({ serviceAccount: account }).slice(0, -4)}AAAA`,
      };
      return api.call('POST', '/api/v1/sessions', { body, headers: { 'X-Forwarded-For': from } });
    };
    const statuses = async (addresses: readonly string[]): Promise<Record<string, number>> => {
      const seen: Record<string, number> = {};
      for (const address of addresses) {
        const { status } = await forged(address);
        seen[status] = (seen[status] ?? 0) + 1;
      }
      return seen;
    };
    const one = await statuses(Array.from({ length: 200 }, () => '203.0.113.1'));
    expect(one['401']).toBeLessThan(15);
    expect((one['401'] ?? 0) + (one['429'] ?? 0)).toBe(200);
    // Refusals beyond a number in a window share an entry with their count, so that a flood does not fill the log.
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.filter(({ outcome }) => outcome !== 'ok').length).toBeLessThan(100);
    const many = Array.from({ length: 60 }, (_, n) => `198.51.${n}.7`);
    expect(await statuses([...many, ...many])).toEqual({ 401: 120 });
    const known = await api.call('GET', '/api/v1/sessions/self', { token });
    const another = await api.call('POST', '/api/v1/sessions', {
      body: { cluster: 'c1', token: api.serviceAccountToken() },
      headers: { 'X-Forwarded-For': '192.0.2.1' },
    });
    expect([known.status, another.status]).toEqual([200, 201]);
  });

  it('uses the rightmost address that a trusted proxy wrote', async () => {
    api = await RunningApi.start({
      listener: { trustedProxies: ['127.0.0.0/8', '10.0.0.0/8'] },
      limits: { addressRate: { ...slow, burst: 30 } },
    });
    await api.seed();
    const guess = (forwarded: string) =>
      api.call('GET', '/api/v1/secrets/app/x', {
        token: `qms_${'a'.repeat(49)}`,
        headers: { 'X-Forwarded-For': forwarded },
      });
    await untilLimited(() => guess('1.2.3.4, 203.0.113.7, 10.0.0.9'));
    expect((await guess('5.6.7.8, 203.0.113.7')).status).toBe(429);
    expect((await guess('203.0.113.7, 203.0.113.8')).status).toBe(401);
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-1)?.client).toMatchObject({ address: '203.0.113.8' });
  });

  it('records one counted summary of refused requests (A05)', async () => {
    const clock = new HandClock();
    api = await RunningApi.start({ clock, refusals: { entriesPerWindow: 3, windowSeconds: 1 } });
    const { store } = api.broker.parts;
    const refused = async (action: string) =>
      (await storedEntries(store)).filter((entry) => entry.action === action);
    for (let count = 0; count < 10; count += 1) await api.call('GET', '/api/v1/nothing');
    expect(await refused('request.refused')).toHaveLength(3);
    clock.advance(1_000);
    await until('the summary is recorded', async () => {
      return (await refused('request.refused_summary')).length > 0;
    });
    expect(await refused('request.refused_summary')).toMatchObject([{ count: 7, outcome: 'deny' }]);
  });
});

describe('the processor time of a request (D16)', () => {
  /** A report with many findings, which takes far more than a millisecond to read. */
  function costly(): string {
    const affects = Array.from({ length: 40_000 }, (_, at) => ({ ref: `p${at}` }));
    return JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      metadata: { tools: { components: [{ name: 'tool' }] } },
      vulnerabilities: [{ id: 'CVE-2026-1', ratings: [{ severity: 'low' }], affects }],
    });
  }

  it.each([
    ['a report that is stored', (report: string) => report],
    ['a report that is refused', (report: string) => report.replaceAll('"low"', '"wrong"')],
  ])('is charged to the writer of %s, and to no other caller (D16)', async (_, change) => {
    api = await RunningApi.start({ limits: { identityRate: { ...slow, burst: 200 } } });
    await api.seed();
    const [scanner, other] = [
      await api.operator('scanner', [{ role: 'evidence-writer' }]),
      await api.operator('other', [{ role: 'evidence-writer' }]),
    ];
    const list = (token: string) => api.call('GET', '/api/v1/evidence', { token });
    expect((await list(scanner)).status).toBe(200);
    const image = [`sha256:${'a'.repeat(64)}`];
    const body = { report: change(costly()), image };
    const { status } = await api.call('POST', '/api/v1/evidence', { token: scanner, body });
    expect([200, 400]).toContain(status);
    expectProblem(await list(scanner), { status: 429, code: 'ERR_RATE_LIMITED' });
    expect((await list(other)).status).toBe(200);
  });
});
