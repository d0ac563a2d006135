import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
});
afterAll(() => api.stop());

describe('a session', () => {
  it('is opened with a service-account token, read, renewed and closed', async () => {
    const token = await api.logIn();
    const read = await api.call('GET', '/api/v1/sessions/self', { token });
    expect(read.status).toBe(200);
    expect(read.body.session.workload).toMatchObject({ id: 'k8s://c1/prod/api', cluster: 'c1' });
    expect(read.text).not.toContain(token);

    const fresh = api.serviceAccountToken({ lifetimeSeconds: 900 });
    const renewed = await api.call('POST', '/api/v1/sessions/self/renew', {
      token,
      body: { token: fresh },
    });
    expect(renewed.status).toBe(200);
    expect(Date.parse(renewed.body.session.endsAt as string)).toBeGreaterThan(
      Date.parse(read.body.session.endsAt as string),
    );

    expect((await api.call('DELETE', '/api/v1/sessions/self', { token })).status).toBe(204);
    expect((await api.call('GET', '/api/v1/sessions/self', { token })).status).toBe(401);
  });

  it('closes with its leases: nothing read under it is held any more (L05)', async () => {
    const token = await api.logIn();
    await api.call('PUT', '/api/v1/secrets/app/ending', { token, body: { data: { a: 'b' } } });
    const read = await api.call('GET', '/api/v1/secrets/app/ending', { token });
    const lease = `/api/v1/leases/${read.body.lease.id as string}`;
    expect((await api.call('GET', lease, { token })).status).toBe(200);
    await api.call('DELETE', '/api/v1/sessions/self', { token });
    const after = await api.call('GET', lease, { token: api.admin });
    expect(after.body).toMatchObject({ state: 'ended', cause: 'session_ended' });
  });

  it('is refused with an unsigned token, and the answer does not give the reason (J01)', async () => {
    const forged = `${api.serviceAccountToken().slice(0, -8)}AAAAAAAA`;
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      unechoed: [forged, 'signature'],
      send: () => api.call('POST', '/api/v1/sessions', { body: { cluster: 'c1', token: forged } }),
    });
    expect(entry.actor).toEqual({ kind: 'unauthenticated' });
    expect(entry.reason).toBeDefined();
  });

  it('is refused the same way for a cluster that does not exist', async () => {
    const token = api.serviceAccountToken();
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'unknown_cluster',
      unechoed: ['nowhere'],
      send: () => api.call('POST', '/api/v1/sessions', { body: { cluster: 'nowhere', token } }),
    });
  });

  it('is not renewed with the token of another pod (L08)', async () => {
    const token = await api.logIn();
    const other = api.serviceAccountToken({ pod: { name: 'api-1', uid: 'pod-uid-2' } });
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'other_holder',
      send: () =>
        api.call('POST', '/api/v1/sessions/self/renew', { token, body: { token: other } }),
    });
  });

  it('is not available to operators, and operators do not log in here (J27)', async () => {
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'workload_only',
      send: () => api.call('GET', '/api/v1/sessions/self', { token: api.admin }),
    });
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      send: () =>
        api.call('POST', '/api/v1/sessions', { body: { cluster: 'c1', token: api.admin } }),
    });
  });

  it('names the workload in the entries of its refused requests', async () => {
    const token = await api.logIn();
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'operator_only',
      send: () => api.call('GET', '/api/v1/policies', { token }),
    });
    expect(entry.actor).toMatchObject({ kind: 'workload', id: 'k8s://c1/prod/api' });
  });

  it('leaves no token of any kind in the log', async () => {
    const presented = api.serviceAccountToken();
    const body = { cluster: 'c1', token: presented };
    const { token } = (await api.call('POST', '/api/v1/sessions', { body })).body;
    const log = JSON.stringify(await storedEntries(api.broker.parts.store));
    expect(log).not.toContain(presented);
    expect(log).not.toContain(token);
  });
});
