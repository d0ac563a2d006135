import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, policy, RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

const asAdmin = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  api.call(method, `/api/v1/${path}`, { token: api.admin, body, ...(headers && { headers }) });

const samples: readonly (readonly [string, string, object, object])[] = [
  [
    'clusters',
    'c2',
    { connection: 'keys', issuer: 'https://b.test', audiences: ['x'], podWatch: false },
    { audiences: ['y'] },
  ],
  ['mounts', 'm2', { prefix: 'm2', connection: 'embedded' }, { leaseTtl: '5m' }],
  ['policies', 'p2', policy('p2', ['p2/**'], ['read']), {}],
  ['definitions', 'app/defined', { leaseTtl: '5m' }, { leaseTtl: '6m' }],
  ['operators', 'o2', { grants: [] }, { description: 'on call' }],
];

describe.each(samples)('a document of %s', (kind, name, document, change) => {
  const path = `${kind}/${name}`;
  const versions = kind === 'definitions' ? `definition-versions/${name}` : `${path}/versions`;

  it('is created, read, listed, replaced, stored in versions and deleted', async () => {
    const created = await asAdmin('PUT', path, document, { 'If-None-Match': '*' });
    expect(created).toMatchObject({ status: 201, headers: { location: `/api/v1/${path}` } });
    expect(created.body).toMatchObject({ name, version: 1, document, updatedBy: 'bootstrap' });
    const tag = created.headers['etag'] ?? '';
    expect((await asAdmin('GET', path)).headers['etag']).toBe(tag);
    expect(itemsOf(await asAdmin('GET', kind)).map((each) => each.name)).toContain(name);

    const replaced = await asAdmin('PUT', path, { ...document, ...change }, { 'If-Match': tag });
    expect(replaced).toMatchObject({ status: 200, body: { version: 2 } });
    expect(replaced.headers['etag']).not.toBe(tag);
    const lost = await asAdmin('PUT', path, document, { 'If-Match': tag });
    expect(lost).toMatchObject({ status: 412, body: { code: 'ERR_VERSION_CONFLICT' } });

    expect((await asAdmin('DELETE', path, undefined, { 'If-Match': tag })).status).toBe(412);
    const now = replaced.headers['etag'] ?? '';
    expect((await asAdmin('DELETE', path, undefined, { 'If-Match': now })).status).toBe(204);
    expect((await asAdmin('GET', path)).status).toBe(404);
    const kept = itemsOf(await asAdmin('GET', versions));
    expect(kept.map((each) => [each['version'], each['deleted']])).toEqual([
      [3, true],
      [2, false],
      [1, false],
    ]);
  });

  it('is changed only with the current version in If-Match', async () => {
    for (const [method, body] of [
      ['PUT', document],
      ['DELETE', undefined],
    ] as const) {
      await expectDenied(api, {
        status: method === 'PUT' ? 428 : 404,
        code: method === 'PUT' ? 'ERR_PRECONDITION_REQUIRED' : 'ERR_NOT_FOUND',
        outcome: method === 'PUT' ? 'error' : 'deny',
        send: () => asAdmin(method, path, body),
      });
    }
  });

  it('is refused to workloads and to operators with other roles', async () => {
    const reader = await api.operator(`reader-${kind}`, [{ role: 'secret-reader' }]);
    for (const as of [token, reader]) {
      for (const [method, body] of [
        ['GET', undefined],
        ['PUT', document],
        ['DELETE', undefined],
      ] as const) {
        await expectDenied(api, {
          status: 403,
          code: 'ERR_DENIED',
          send: () =>
            api.call(method, `/api/v1/${path}`, {
              token: as,
              body,
              headers: { 'If-None-Match': '*' },
            }),
        });
      }
    }
  });

  it('is refused with an unknown field', async () => {
    const answer = await asAdmin(
      'PUT',
      path,
      { ...document, audit: { path: '/tmp/x' } },
      { 'If-None-Match': '*' },
    );
    expect(answer.status).toBe(400);
    expect(['ERR_UNKNOWN_FIELD', 'ERR_POLICY_INVALID']).toContain(answer.body.code);
    expect(answer.body.problems[0]).toMatchObject({ pointer: '/audit', line: 1 });
  });
});

describe('a document name', () => {
  it.each(['Root', 'rOoT', '-root', 'root-', 'r:oot', 'a'.repeat(64), 'a@b', '~'])(
    'is refused if it is %s',
    async (name) => {
      const answer = await asAdmin(
        'PUT',
        `operators/${name}`,
        { grants: [] },
        { 'If-None-Match': '*' },
      );
      expect([400, 404]).toContain(answer.status);
    },
  );

  it('must equal the name in the address of a policy', async () => {
    const answer = await asAdmin('PUT', 'policies/here', policy('there', ['a/**'], ['read']), {
      'If-None-Match': '*',
    });
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_POLICY_INVALID' } });
    expect(answer.body.problems[0].pointer).toBe('/metadata/name');
  });
});

describe('a mount', () => {
  it('is validated by a request to its backend', async () => {
    expect((await asAdmin('POST', 'mounts/app:check')).body).toMatchObject({ healthy: true });
    expect((await asAdmin('POST', 'mounts/none:check')).status).toBe(404);
  });

  it('is refused inside another mount', async () => {
    const answer = await asAdmin(
      'PUT',
      'mounts/nested',
      { prefix: 'app/x', connection: 'embedded' },
      { 'If-None-Match': '*' },
    );
    expect(answer).toMatchObject({ status: 409, body: { code: 'ERR_CONFLICT' } });
  });
});

describe('an explanation', () => {
  const question = {
    workload: { cluster: 'c1', namespace: 'prod', serviceAccount: 'api' },
    capability: 'read',
    path: 'app/db',
    sourceAddress: '10.0.0.1',
  };

  it('names the rule that decides', async () => {
    const answer = await asAdmin('POST', 'policies:explain', question);
    expect(answer.body.decision).toMatchObject({ effect: 'allow', policy: 'app', rule: 'rule-1' });
    const denied = await asAdmin('POST', 'policies:explain', { ...question, path: 'other/x' });
    expect(denied.body.decision).toEqual({ effect: 'deny', reason: 'no_rule' });
  });

  it.each([
    { path: 'a//b' },
    { capability: 'admin' },
    { sourceAddress: '1.2.3' },
    { at: 'yesterday' },
    { more: 1 },
  ])('is refused for %j', async (wrong) => {
    expect((await asAdmin('POST', 'policies:explain', { ...question, ...wrong })).status).toBe(400);
  });
});

describe('an operator token', () => {
  it('is shown once, listed without its text, and refused after it is revoked', async () => {
    const made = await api.operator('tokens', [{ role: 'auditor' }]);
    const list = await asAdmin('GET', 'operators/tokens/tokens');
    expect(list.text).not.toContain(made);
    const [{ id } = { id: '' }] = itemsOf(list);
    expect((await api.call('GET', '/api/v1/leases', { token: made })).status).toBe(200);
    expect((await asAdmin('DELETE', `operators/tokens/tokens/${id}`)).status).toBe(204);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      send: () => api.call('GET', '/api/v1/leases', { token: made }),
    });
  });

  it('shows its operator and its current capabilities', async () => {
    await api.put('operators/self', { grants: [{ role: 'auditor' }, { role: 'responder' }] });
    const grants = [{ role: 'auditor', scope: [] }];
    const made = await asAdmin('POST', 'operators/self/tokens', { ttl: '1h', grants });
    const own = await api.call('GET', '/api/v1/operator-tokens/self', { token: made.body.token });
    const { id, endsAt } = made.body as { id: string; endsAt: string };
    const expected = { id, operator: 'self', grants, sourceCidrs: [], endsAt };
    expect(own).toMatchObject({ status: 200, body: expected });
    expect(own.text).not.toContain(made.body.token);
  });

  it('is revoked with its operator, even if an operator with the same name is created later', async () => {
    const made = await api.operator('again', [{ role: 'admin' }]);
    await asAdmin('DELETE', 'operators/again', undefined, { 'If-Match': '*' });
    await api.put('operators/again', { grants: [{ role: 'admin' }] });
    expect((await api.call('GET', '/api/v1/policies', { token: made })).status).toBe(401);
  });

  it('is accepted only from its addresses', async () => {
    await api.put('operators/bound', { grants: [{ role: 'auditor' }] });
    const body = { ttl: '1h', sourceCidrs: ['10.0.0.0/8'] };
    const made = await asAdmin('POST', 'operators/bound/tokens', body);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'source_address',
      send: () => api.call('GET', '/api/v1/leases', { token: made.body.token as string }),
    });
  });

  it('saves only policies inside the scope of its policy editor', async () => {
    const editor = await api.operator('scoped-editor', [
      { role: 'policy-editor', scope: ['team'] },
    ]);
    const put = (name: string, paths: string[]) =>
      api.call('PUT', `/api/v1/policies/${name}`, {
        token: editor,
        body: policy(name, paths, ['read']),
        headers: { 'If-None-Match': '*' },
      });
    expect((await put('team.inside', ['team/x/**'])).status).toBe(201);
    for (const paths of [['other/**'], ['team/x', 'other/y'], ['**'], ['t*/x'], ['teams/x']]) {
      await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        send: () => put('team.outside', paths),
      });
    }
  });
});
