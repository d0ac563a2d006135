import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Approvals } from '../../src/features/approvals/approval-memory.ts';
import { OPTIONS, routesOf } from '../../src/features/options.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { until } from '../kit/backends/until.ts';

/** A broker with an empty list of options. */
let api: RunningApi;
let workload: string;
beforeAll(async () => {
  api = await RunningApi.start({ options: [] });
  await api.seed();
  await write('app/db');
  workload = await api.logIn();
});
afterAll(() => api.stop());

async function write(path: string): Promise<void> {
  const editor = await api.operator(`editor-of-${path.replace('/', '-')}`, [
    { role: 'secret-editor' },
  ]);
  const body = { data: { password: 'p4ssw0rd' } };
  const written = await api.call('PUT', `/api/v1/secrets/${path}`, { token: editor, body });
  expect(written.status).toBe(200);
}

const admin = (method: string, path: string, body?: object): Promise<Answered> =>
  api.call(method, `/api/v1/${path}`, { token: api.admin, body });

const read = (path: string): Promise<Answered> =>
  api.call('GET', `/api/v1/secrets/${path}`, { token: workload });

async function actions(): Promise<readonly string[]> {
  const found = await admin('GET', 'audit/entries?limit=100');
  return itemsOf(found).map(({ entry }) => (entry as { readonly action: string }).action);
}

describe('a broker without options', () => {
  it('gives a workload a secret under a lease, renews and revokes it, and its log verifies', async () => {
    const secret = await read('app/db');
    expect(secret.body).toMatchObject({
      data: { password: 'p4ssw0rd' },
      lease: { id: expect.stringMatching(/^lea_/) },
    });
    const body = { ttl: '15m' };
    const lease = `/api/v1/leases/${secret.body.lease.id}`;
    const renewed = await api.call('POST', `${lease}/renew`, { token: workload, body });
    expect(renewed.status).toBe(200);
    const revoked = await admin('POST', 'leases:revoke', { by: 'path', path: 'app/db' });
    expect(revoked.body).toMatchObject({ revoked: 1 });
    expect((await api.call('POST', `${lease}/renew`, { token: workload, body })).status).toBe(404);
    const expected = ['session.create', 'secret.read', 'lease.renew', 'lease.revoke'];
    await until('the entries are in the tree', async () => {
      const found = await actions();
      return expected.every((each) => found.includes(each));
    });
    const { scrubber } = api.broker.trail;
    expect(await scrubber.walk()).toBe(true);
    expect(scrubber.status()).toMatchObject({ damaged: 0, alteredBatches: 0 });
    expect(scrubber.status().checked).toBeGreaterThan(expected.length);
  });

  it('does not serve the operations of options', async () => {
    expect(Object.keys(routesOf(OPTIONS)).length).toBeGreaterThan(30);
    for (const path of ['approvals', 'alerts', 'evidence', 'posture-profiles', 'backups'])
      expect((await admin('GET', path)).status).toBe(404);
  });

  it('returns a decoy to no caller, because no alarm would be raised', async () => {
    await api.put('definitions/app/lure', { decoy: { action: 'quarantine' } });
    await write('app/lure');
    workload = await api.logIn();
    expect((await read('app/lure')).status).toBe(403);
  });

  it('grants no admin while a rule in the store demands an approval', async () => {
    const { store, rows, clock } = api.broker.parts;
    const rule = new Approvals(store, rows, clock).rowOfRule('root', ['admin']);
    await store.commit({ writes: [{ table: 'approvals', put: rule }] });
    const document = JSON.stringify({ grants: [{ role: 'admin' }] });
    const documents = [{ kind: 'operator', name: 'second', ifNoneMatch: '*', document }];
    const applied = await admin('POST', 'documents:apply', { documents });
    expect(applied.body).toMatchObject({ items: [{ error: { code: 'ERR_VERSION_CONFLICT' } }] });
    expect((await admin('GET', 'operators/second')).status).toBe(404);
  });

  it('refuses every pod while a posture profile is enforced that it cannot judge by', async () => {
    const document = JSON.stringify({ mode: 'enforce', image: { digest: 'pinned' } });
    const documents = [{ kind: 'posture-profile', name: 'gate', ifNoneMatch: '*', document }];
    expect((await admin('POST', 'documents:apply', { documents })).status).toBe(200);
    expect((await read('app/db')).body).toMatchObject({ code: 'ERR_POSTURE_PENDING' });
  });
});
