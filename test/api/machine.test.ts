import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newToken } from '../../src/crypto/random/token.ts';
import { ROLES } from '../../src/domain/identity/principal.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
  await api.call('PUT', '/api/v1/secrets/app/hidden-name', {
    token,
    body: { data: { a: 'the-value-of-it' } },
  });
  await api.call('GET', '/api/v1/secrets/app/hidden-name', { token });
  await api.call('GET', '/api/v1/secrets/app/none', { token });
});
afterAll(() => api.stop());

describe('a machine operation', () => {
  it.each(['/healthz', '/readyz', '/metrics', '/api/v1/status', '/openapi.json'])(
    '%s reveals no name and no identity (X04)',
    async (path) => {
      const answer = await api.call('GET', path, { token: api.admin });
      expect(answer.status).toBe(200);
      for (const name of [
        'hidden-name',
        'the-value-of-it',
        'k8s://c1',
        'bootstrap',
        api.directory,
        token,
      ]) {
        expect(answer.text).not.toContain(name);
      }
    },
  );

  it.each(['/healthz', '/readyz', '/openapi.json'])(
    '%s is not recorded and needs no token',
    async (path) => {
      const before = (await storedEntries(api.broker.parts.store)).length;
      expect((await api.call('GET', path)).status).toBe(200);
      expect((await api.call('HEAD', path)).status).toBe(200);
      expect((await storedEntries(api.broker.parts.store)).length).toBe(before);
    },
  );

  it.each(['/debug', '/debug/pprof', '/metrics/x', '/api/v1/metrics', '/.well-known/x'])(
    '%s does not exist (X04)',
    async (path) => {
      expect((await api.call('GET', path)).status).toBe(404);
    },
  );
});

describe('metrics', () => {
  it('answer 401 with one entry without a token (ED12)', async () => {
    const wrong = newToken('qmo');
    const refused = { status: 401, code: 'ERR_UNAUTHENTICATED' };
    await expectDenied(api, {
      ...refused,
      reason: 'no_token',
      send: () => api.call('GET', '/metrics'),
    });
    await expectDenied(api, {
      ...refused,
      reason: 'unknown_token',
      unechoed: [wrong],
      send: () => api.call('GET', '/metrics', { token: wrong }),
    });
  });

  it('are refused to a workload, with one entry (ED12)', async () => {
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'operator_only',
      send: () => api.call('GET', '/metrics', { token }),
    });
  });

  it('are refused to an operator without roles (ED12)', async () => {
    const demoted = await api.operator('demoted', [{ role: 'auditor' }]);
    const changed = await api.call('PUT', '/api/v1/operators/demoted', {
      token: api.admin,
      body: { grants: [] },
      headers: { 'If-Match': '*' },
    });
    expect(changed.status).toBe(200);
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'no_role',
      send: () => api.call('GET', '/metrics', { token: demoted }),
    });
  });

  it.each(ROLES)('are served to the role %s in any scope, without an entry', async (role) => {
    const scope = ['admin', 'auditor'].includes(role) ? {} : { scope: ['prometheus'] };
    const scraper = await api.operator(`scraper-${role}`, [{ role, ...scope }]);
    const before = (await storedEntries(api.broker.parts.store)).length;
    const answer = await api.call('GET', '/metrics', { token: scraper });
    expect(answer.status).toBe(200);
    expect(answer.text).toContain('quaymaster_http_requests_total');
    expect((await storedEntries(api.broker.parts.store)).length).toBe(before);
  });

  const methods = ['GET', 'HEAD'] as const;
  const targets = ['/metrics', '/metrics?', '/metrics?x=1', '/api/v1/status'] as const;
  const tokens: readonly (readonly [string, () => string | undefined])[] = [
    ['no token', () => undefined],
    ['an unknown operator token', () => newToken('qmo')],
    ['an unknown session token', () => newToken('qms')],
    ['a service-account token', () => api.serviceAccountToken()],
    ['the session token of a workload', () => token],
  ];

  it.each(
    methods.flatMap((method) =>
      targets.flatMap((target) => tokens.map((each) => [method, target, ...each] as const)),
    ),
  )('are not disclosed to %s %s with %s (ED12)', async (method, target, _name, tokenOf) => {
    const credential = tokenOf();
    const answer = await api.call(
      method,
      target,
      credential === undefined ? {} : { token: credential },
    );
    expect([400, 401, 403, 405]).toContain(answer.status);
    expect(answer.text).not.toMatch(/quaymaster_|process_|nodejs_|entries/);
    expect(answer.headers['content-type']).toBe('application/problem+json');
  });

  it('count requests and their durations by operation and class of status', async () => {
    const { text } = await api.call('GET', '/metrics', { token: api.admin });
    expect(text).toContain('quaymaster_http_requests_total{operation="readSecret",status="2xx"} 1');
    expect(text).toContain('quaymaster_http_requests_total{operation="readSecret",status="4xx"} 1');
    expect(text).toMatch(
      /quaymaster_http_request_duration_seconds_bucket\{le="\+Inf",operation="readSecret"\} 2/,
    );
    expect(text).toMatch(
      /quaymaster_http_request_duration_seconds_count\{operation="readSecret"\} 2/,
    );
  });
});

describe('the audit log', () => {
  it.each([
    ['outcome=denied', '"outcome" must be one of ok, deny, error'],
    ['action=secrets.read', '"action" must be one of session.create, '],
    ['code=DENIED', '"code" must be one of ERR_REQUEST_INVALID, '],
    ['from=yesterday', 'a time is written like 2026-01-05T10:00:00Z'],
  ])('refuses the filter %s, which no entry can match', async (query, detail) => {
    const auditor = await api.operator(`auditor-${query.split('=')[0] ?? ''}`, [
      { role: 'auditor' },
    ]);
    const refused = await api.call('GET', `/api/v1/audit/entries?${query}`, { token: auditor });
    expect(refused.status).toBe(400);
    expect(refused.body).toMatchObject({ detail: expect.stringContaining(detail) });
  });

  it('is searched by auditors, and records the search', async () => {
    const auditor = await api.operator('auditor', [{ role: 'auditor' }]);
    for (;;) {
      const found = await api.call(
        'GET',
        '/api/v1/audit/entries?path=app%2Fhidden-name&action=secret.read',
        { token: auditor },
      );
      expect(found.status).toBe(200);
      const [first] = itemsOf(found);
      if (first === undefined) continue;
      expect(first['entry']).toMatchObject({ outcome: 'ok', path: 'app/hidden-name' });
      const proof = await api.call('GET', `/api/v1/audit/entries/${String(first['index'])}/proof`, {
        token: auditor,
      });
      expect(proof.status).toBe(200);
      expect(JSON.parse(proof.body.entry as string)).toEqual(first['entry']);
      break;
    }
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-2)).toMatchObject({
      action: 'audit.search',
      query: 'path=app/hidden-name action=secret.read',
      actor: { kind: 'operator', id: 'auditor' },
    });
  });

  it('is served in the format of transparency-log tools', async () => {
    const checkpoint = await api.call('GET', '/api/v1/audit/checkpoint', { token: api.admin });
    expect(checkpoint.headers['content-type']).toBe('text/plain; charset=utf-8');
    const [origin, size] = checkpoint.text.split('\n');
    expect(origin).toBe('quaymaster.test/api');
    const tile = `/api/v1/audit/tile/0/000.p/${String(size)}`;
    const answer = await rawHttp(
      api.port,
      rawRequest(`GET ${tile} HTTP/1.1`, [`Authorization: Bearer ${api.admin}`]),
      // The server gives up an answer whose client has closed its side before.
      { end: false },
    );
    expect(answer?.status).toBe(200);
    expect(answer?.headers['content-length']).toBe(String(32 * Number(size)));
    const gone = await api.call('GET', '/api/v1/audit/tile/9/000', { token: api.admin });
    expect(gone.status).toBe(404);
  });

  it.each([
    'entries?sort=x',
    'entries?from=yesterday',
    'entries?path=a&path=b',
    'entries/-1/proof',
    'entries/1e3/proof',
    'entries/01/proof',
  ])('is refused for %s', async (path) => {
    expect((await api.call('GET', `/api/v1/audit/${path}`, { token: api.admin })).status).toBe(400);
  });

  it('cannot be turned off, moved or written to (A03)', async () => {
    for (const [method, path] of [
      ['PUT', '/api/v1/audit/sinks/x'],
      ['POST', '/api/v1/audit/entries'],
      ['DELETE', '/api/v1/audit/entries'],
      ['PUT', '/api/v1/audit/checkpoint'],
    ] as const) {
      const answer = await api.call(method, path, { token: api.admin, body: {} });
      expect([404, 405]).toContain(answer.status);
    }
  });
});

describe('the status', () => {
  it.each(ROLES)('is served to the role %s in any scope, without an entry', async (role) => {
    const scope = ['admin', 'auditor'].includes(role) ? {} : { scope: ['registry.example/prod'] };
    const reader = await api.operator(`status-${role}`, [{ role, ...scope }]);
    const before = (await storedEntries(api.broker.parts.store)).length;
    const answer = await api.call('GET', '/api/v1/status', { token: reader });
    expect(answer.status).toBe(200);
    expect((await storedEntries(api.broker.parts.store)).length).toBe(before);
  });

  it('has the numbers of the log, and no name of a path or a caller', async () => {
    // The log grows by itself: entries of the tests before are appended after their answers.
    const { integrator } = api.broker.trail;
    const sizeBefore = integrator.status().size;
    const answer = await api.call('GET', '/api/v1/status', { token: api.admin });
    const { entries } = answer.body.log as { readonly entries: number };
    expect(entries).toBeGreaterThanOrEqual(Math.max(1, sizeBefore));
    expect(entries).toBeLessThanOrEqual(integrator.status().size);
    expect(answer.body).toMatchObject({
      certificates: [],
      log: {
        brokenChains: 0,
        damagedEntries: 0,
        archivedEntries: 0,
        failedArchiveRuns: 0,
        sinks: [],
        witnessedEntries: 0,
        unwitnessedSeconds: 0,
        witnesses: [],
      },
      liveLeases: expect.any(Number),
    });
  });

  it('counts reads and refusals of the last minutes', async () => {
    const total = async (): Promise<readonly number[]> => {
      const { body } = await api.call('GET', '/api/v1/status', { token: api.admin });
      const { activity } = body as {
        readonly activity: Readonly<Record<'logins' | 'reads' | 'refusals', readonly number[]>>;
      };
      const counts = [activity.logins, activity.reads, activity.refusals];
      expect(new Set(counts.map(({ length }) => length)).size).toBe(1);
      return counts.map((each) => each.reduce((sum, count) => sum + count, 0));
    };
    const [logins = 0, reads = 0, refusals = 0] = await total();
    await api.call('GET', '/api/v1/secrets', { token: 'qmo_forged' });
    expect(await total()).toEqual([logins, reads, refusals + 1]);
  });

  it('is refused to an operator without a role', async () => {
    const demoted = await api.operator('without-role', [{ role: 'auditor' }]);
    await api.call('PUT', '/api/v1/operators/without-role', {
      token: api.admin,
      body: { grants: [] },
      headers: { 'If-Match': '*' },
    });
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'no_role',
      send: () => api.call('GET', '/api/v1/status', { token: demoted }),
    });
  });
});
