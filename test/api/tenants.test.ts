import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';

/** The workloads of two teams, each with a policy for its own paths. */
let api: RunningApi;
let token: string;
let other: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn({ namespace: 'red' });
  other = await api.logIn({ namespace: 'blue' });
  for (const team of ['red', 'blue']) {
    const spec = {
      subjects: [{ clusters: ['c1'], namespaces: [team], serviceAccounts: ['*'] }],
      rules: [
        {
          name: 'own',
          effect: 'allow',
          paths: [`app/${team}/**`],
          capabilities: ['read', 'write', 'list'],
        },
      ],
    };
    const document = {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: team },
      spec,
    };
    await api.put(`policies/${team}`, document);
  }
  for (const [team, holder] of [
    ['red', token],
    ['blue', other],
  ] as const) {
    const body = { data: { team } };
    const request = { token: holder, body, headers: { 'If-None-Match': '*' } };
    const { status } = await api.call('PUT', `/api/v1/secrets/app/${team}/db`, request);
    expect(status).toBe(201);
  }
}, 60_000);
afterAll(() => api.stop());

describe('a tenant', () => {
  it.each([
    ['X-Vault-Namespace', 'blue'],
    ['X-Tenant', 'blue'],
    ['X-Quaymaster-Cluster', 'c2'],
    ['X-Remote-User', 'k8s://c1/blue/api'],
    ['X-Original-URL', '/api/v1/secrets/app/blue/db'],
    ['X-HTTP-Method-Override', 'DELETE'],
  ])('is that of the token, whatever the header %s says (N08)', async (name, value) => {
    const read = await api.call('GET', '/api/v1/secrets/app/red/db', {
      token,
      headers: { [name]: value },
    });
    expect(read).toMatchObject({ status: 200, body: { data: { team: 'red' } } });
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      unechoed: ['blue'],
      send: () =>
        api.call('GET', '/api/v1/secrets/app/blue/db', { token, headers: { [name]: value } }),
    });
  });

  it.each(['cluster=c1', 'namespace=blue', 'tenant=blue', 'workload=k8s://c1/blue/api'])(
    'cannot be chosen by the query %s (N08)',
    async (query) => {
      await expectDenied(api, {
        status: 400,
        code: 'ERR_REQUEST_INVALID',
        send: () => api.call('GET', `/api/v1/secrets/app/red/db?${query}`, { token }),
      });
    },
  );

  it.each(['cluster', 'namespace', 'tenant', 'workload'])(
    'cannot be chosen by the field %s of a body (N08)',
    async (field) => {
      for (const [method, path, body] of [
        ['PUT', '/api/v1/secrets/app/red/db', { data: { a: 'b' } }],
        ['POST', '/api/v1/secrets:batch', { items: [{ path: 'app/red/db' }] }],
      ] as const) {
        await expectDenied(api, {
          status: 400,
          code: 'ERR_UNKNOWN_FIELD',
          send: () => api.call(method, path, { token, body: { ...body, [field]: 'blue' } }),
        });
      }
    },
  );

  it('cannot read, renew or revoke what another one holds (N02)', async () => {
    const { body } = await api.call('GET', '/api/v1/secrets/app/blue/db', { token: other });
    const id = body.lease.id as string;
    for (const [method, path] of [
      ['GET', `/api/v1/leases/${id}`],
      ['POST', `/api/v1/leases/${id}/renew`],
      ['DELETE', `/api/v1/leases/${id}`],
    ] as const) {
      const body = method === 'POST' ? {} : undefined;
      await expectDenied(api, {
        status: 404,
        code: 'ERR_NOT_FOUND',
        unechoed: [id],
        send: () => api.call(method, path, { token, body }),
      });
    }
    const held = await api.call('GET', `/api/v1/leases/${id}`, { token: other });
    expect(held).toMatchObject({ status: 200, body: { state: 'live' } });
  });

  it('learns nothing about tokens of operators, whether they exist or not (N02)', async () => {
    const path = '/api/v1/operators/bootstrap/tokens';
    const { body } = await api.call('GET', path, { token: api.admin });
    const id = (body.items as readonly { readonly id: string }[])[0]?.id ?? '';
    const texts = [];
    for (const each of [id, 'tok_absent']) {
      for (const method of ['GET', 'DELETE']) {
        const answer = await api.call(method, `${path}/${each}`, { token });
        expect([403, 404, 405]).toContain(answer.status);
        texts.push([method, answer.status, answer.body.code]);
      }
    }
    expect(texts.slice(0, 2)).toEqual(texts.slice(2));
  });
});

describe('the name of a document that separates tenants', () => {
  const DOCUMENTS = {
    clusters: { connection: 'keys', issuer: 'https://b.test', audiences: ['x'], podWatch: false },
    mounts: { prefix: 'm9', connection: 'embedded' },
    operators: { grants: [] },
  };

  it.each([
    'root/',
    '',
    '/',
    '.',
    '..',
    'a/../b',
    '%2e%2e',
    'a%2fb',
    'A',
    'Root',
    'root%20',
    'a%00',
    '-a',
    '%ef%bd%81',
    '__proto__',
    'a'.repeat(200),
  ])('is refused, never repaired: "%s" (N03)', async (name) => {
    for (const [kind, document] of Object.entries(DOCUMENTS)) {
      const text = JSON.stringify(document);
      const headers = [
        `Authorization: Bearer ${api.admin}`,
        'Content-Type: application/json',
        `Content-Length: ${text.length}`,
        'If-None-Match: *',
      ];
      const request = rawRequest(`PUT /api/v1/${kind}/${name} HTTP/1.1`, headers, text);
      const { status } = (await rawHttp(api.port, request)) ?? {};
      expect([400, 404, 405]).toContain(status);
    }
  });
});
