import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start({ limits: { leasesPerWorkload: 12 } });
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

async function leaseOf(path: string, as = token): Promise<string> {
  await api.call('PUT', `/api/v1/secrets/${path}`, {
    token: as,
    body: { data: { a: 'b' } },
    headers: { 'If-None-Match': '*' },
  });
  const read = await api.call('GET', `/api/v1/secrets/${path}`, { token: as });
  if (read.status !== 200) throw new Error(read.text);
  return read.body.lease.id as string;
}

describe('a lease', () => {
  it('is read, renewed and revoked by its holder', async () => {
    const id = await leaseOf('app/own');
    const lease = await api.call('GET', `/api/v1/leases/${id}`, { token });
    expect(lease.body).toMatchObject({ id, path: 'app/own', state: 'live', kind: 'static' });
    const renewed = await api.call('POST', `/api/v1/leases/${id}/renew`, {
      token,
      body: { ttl: '15m' },
    });
    expect(renewed.status).toBe(200);
    expect((await api.call('DELETE', `/api/v1/leases/${id}`, { token })).status).toBe(204);
    expect((await api.call('GET', `/api/v1/leases/${id}`, { token })).status).toBe(404);
  });

  it.each(['-1', '1e309', '1h; x', 'NaN', '9007199254740992', '', '0s', '1.5h', ' 1h', '1H', '١h'])(
    'is not renewed with the ttl "%s"',
    async (ttl) => {
      const id = await leaseOf('app/ttl');
      await expectDenied(api, {
        status: 400,
        code: 'ERR_BODY_INVALID',
        send: () => api.call('POST', `/api/v1/leases/${id}/renew`, { token, body: { ttl } }),
      });
    },
  );

  it.each([-1, null, [], {}, true, 60])('is not renewed with a ttl of %j (L02)', async (ttl) => {
    const id = await leaseOf('app/ttl');
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      send: () => api.call('POST', `/api/v1/leases/${id}/renew`, { token, body: { ttl } }),
    });
  });

  it('looks absent to another session (L08)', async () => {
    const id = await leaseOf('app/mine');
    const other = await api.logIn({ pod: { name: 'api-1', uid: 'pod-uid-2' } });
    for (const [method, path, body] of [
      ['GET', `/api/v1/leases/${id}`, undefined],
      ['POST', `/api/v1/leases/${id}/renew`, {}],
      ['DELETE', `/api/v1/leases/${id}`, undefined],
    ] as const) {
      await expectDenied(api, {
        status: 404,
        code: 'ERR_NOT_FOUND',
        unechoed: [id],
        send: () => api.call(method, path, { token: other, body }),
      });
    }
    expect((await api.call('GET', `/api/v1/leases/${id}`, { token })).status).toBe(200);
  });

  it.each(['..', 'lea', 'lea_', 'LEA_x', `lea_${'x'.repeat(65)}`, 'lea_x:y'])(
    'is not found under the id %s',
    async (id) => {
      const answer = await api.call('GET', `/api/v1/leases/${id}`, { token });
      expect([400, 404]).toContain(answer.status);
    },
  );

  it("is refused over the workload's limit, which does not affect other workloads (L09, F20)", async () => {
    const crowd = await api.logIn({ serviceAccount: { name: 'crowd', uid: 'sa-uid-9' } });
    const editor = await api.operator('crowd-editor', [{ role: 'secret-editor' }]);
    for (let index = 0; index < 13; index += 1) {
      const body = { data: { a: 'b' } };
      await api.call('PUT', `/api/v1/secrets/app/crowd-${index}`, { token: editor, body });
    }
    for (let index = 0; index < 12; index += 1) {
      const read = await api.call('GET', `/api/v1/secrets/app/crowd-${index}`, { token: crowd });
      expect(read.status).toBe(200);
    }
    await expectDenied(api, {
      status: 429,
      code: 'ERR_LEASE_QUOTA',
      reason: 'lease_quota',
      send: () => api.call('GET', '/api/v1/secrets/app/crowd-12', { token: crowd }),
    });
    const again = await api.call('GET', '/api/v1/secrets/app/crowd-3', { token: crowd });
    expect(again.status).toBe(200);
    expect((await api.call('GET', '/api/v1/secrets/app/crowd-12', { token })).status).toBe(200);
  });
});

describe('revocation of leases', () => {
  it('covers the paths below its path, by whole segments', async () => {
    const workload = { serviceAccount: { name: 'paths', uid: 'sa-uid-7' } };
    const own = await api.logIn(workload);
    for (const path of ['app/a', 'app/a/b', 'app/ab', 'app/a.b']) await leaseOf(path, own);
    const revoked = await api.call('POST', '/api/v1/leases:revoke', {
      token: api.admin,
      body: { by: 'path', path: 'app/a', comment: 'INC-7' },
    });
    expect(revoked).toMatchObject({ status: 200, body: { revoked: 2 } });
    const live = await api.call(
      'GET',
      '/api/v1/leases?workload=k8s%3A%2F%2Fc1%2Fprod%2Fpaths&state=live',
      { token: api.admin },
    );
    expect(
      itemsOf(live)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(['app/a.b', 'app/ab']);
    const again = await api.call('GET', '/api/v1/secrets/app/a', { token: own });
    expect(again).toMatchObject({ status: 403, body: { code: 'ERR_DENIED' } });
  });

  it.each([
    { by: 'path', path: '' },
    { by: 'path', path: '%' },
    { by: 'path', path: '_*' },
    { by: 'path', path: 'app/*' },
    { by: 'path', path: '/' },
    { by: 'path' },
    { by: 'workload', workload: '*' },
    { by: 'workload', workload: 'k8s://c1/*/api' },
    { by: 'mount', mount: '' },
    { by: 'pod', pod: '%' },
    { by: 'id', id: 'lea_%' },
    { by: 'everything' },
    {},
  ])('refuses %j (L06)', async (body) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      send: () => api.call('POST', '/api/v1/leases:revoke', { token: api.admin, body }),
    });
  });

  it('refuses two selectors', async () => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_UNKNOWN_FIELD',
      send: () =>
        api.call('POST', '/api/v1/leases:revoke', {
          token: api.admin,
          body: { by: 'mount', mount: 'app', path: 'app' },
        }),
    });
  });

  it('is limited to responders within their scope', async () => {
    const auditor = await api.operator('only-auditor', [{ role: 'auditor' }]);
    const responder = await api.operator('scoped', [{ role: 'responder', scope: ['other'] }]);
    for (const as of [auditor, responder]) {
      await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        reason: 'no_role',
        send: () =>
          api.call('POST', '/api/v1/leases:revoke', {
            token: as,
            body: { by: 'path', path: 'app' },
          }),
      });
    }
  });

  it('follows a cursor through pages of leases', async () => {
    const paths: string[] = [];
    let query = '?limit=3';
    for (;;) {
      const page = await api.call('GET', `/api/v1/leases${query}`, { token: api.admin });
      paths.push(...itemsOf(page).map(({ path }) => path));
      if (page.body.next === undefined) break;
      query = `?limit=3&after=${String(page.body.next)}`;
    }
    expect(paths.length).toBeGreaterThan(6);
    expect(paths).toEqual([...paths].sort());
    const queue = await api.call('GET', '/api/v1/revocations?state=irrevocable', {
      token: api.admin,
    });
    expect(queue).toMatchObject({ status: 200, body: { items: [] } });
  });

  it('is retried only for a failed revocation and an authorized operator', async () => {
    const retry = (as: string) =>
      api.call('POST', '/api/v1/revocations/cred_none:retry', { token: as });
    await expectDenied(api, { status: 404, code: 'ERR_NOT_FOUND', send: () => retry(api.admin) });
    const auditor = await api.operator('no-retry', [{ role: 'auditor' }]);
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      send: () => retry(auditor),
    });
    expect(entry.actor).toMatchObject({ kind: 'operator', id: 'no-retry' });
  });
});
