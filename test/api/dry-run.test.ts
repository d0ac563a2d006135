import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { storedEntries, storeSnapshot } from '../kit/store/store-diff.ts';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';

let api: RunningApi;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
});
afterAll(() => api.stop());

function dryRun(path: string, body: unknown, token = api.admin): Promise<Answered> {
  const headers = { 'If-None-Match': '*' };
  return api.call('PUT', `/api/v1/${path}?dryRun=true`, { token, body, headers });
}

const CLUSTER = { connection: 'none', issuer: 'https://issuer.example', audiences: ['x'] };

describe('a dry run', () => {
  it.each([
    ['mounts/m', { prefix: 'm', connection: 'none' }, 'no such connection'],
    [
      'mounts/m',
      { prefix: 'm', connection: 'embedded', leaseTTL: '1h' },
      String.raw`is not a known field; did you mean \"leaseTtl\"?`,
    ],
    ['clusters/x', CLUSTER, 'connection'],
    ['operators/x', { grants: [{ role: 'editor' }] }, 'role'],
    ['definitions/app/x', { rotation: { strategy: 'alternatingusers' } }, 'strategy'],
    ['policies/x', { kind: 'AccessPolicy' }, 'metadata'],
  ])('names the problem of %s with %j', async (path, body, word) => {
    const refused = await dryRun(path, body);
    expect(refused.status).toBe(400);
    expect(refused.text).toContain(word);
  });

  it.each([
    ['mounts/fresh', { prefix: 'fresh', connection: 'embedded' }],
    ['operators/fresh', { grants: [{ role: 'auditor' }] }],
    ['definitions/app/fresh', {}],
    ['policies/fresh', policy('fresh', ['app/**'], ['read'])],
  ])('changes nothing for a valid %s and is recorded as a check', async (path, body) => {
    const { store } = api.broker.parts;
    const before = await storeSnapshot(store);
    const checked = await dryRun(path, body);
    expect(checked.status).toBe(200);
    expect(await storeSnapshot(store)).toEqual(before);
    const entries = await storedEntries(store);
    expect(
      entries.filter(({ requestId }) => requestId === checked.headers['x-request-id']),
    ).toMatchObject([{ action: 'document.check', outcome: 'ok' }]);
    const read = await api.call('GET', `/api/v1/${path}`, { token: api.admin });
    expect(read.status).toBe(404);
  });

  it('needs the same role as the change, and its denial is the same whatever exists', async () => {
    const auditor = await api.operator('ada', [{ role: 'auditor' }]);
    const body = { prefix: 'y', connection: 'embedded' };
    const answers = await Promise.all(
      ['mounts/app', 'mounts/none'].map((path) => dryRun(path, body, auditor)),
    );
    expect(answers.map(({ status }) => status)).toEqual([403, 403]);
  });

  it('reports a conflict for a document that exists, as the change would', async () => {
    await api.put('mounts/taken', { prefix: 'taken', connection: 'embedded' });
    const refused = await dryRun('mounts/taken', { prefix: 'taken', connection: 'embedded' });
    expect(refused.status).toBe(412);
  });
});
