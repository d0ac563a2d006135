import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed(['read', 'list', 'write']);
  token = await api.logIn();
  await api.call('PUT', '/api/v1/secrets/app/db', { token, body: { data: { a: '1' } } });
});
afterAll(() => api.stop());

function change(
  path: string,
  body: object,
  { headers = {}, as = token }: { headers?: Record<string, string>; as?: string } = {},
) {
  return api.call('POST', `/api/v1/secrets/${path}:describe`, { token: as, body, headers });
}

async function shown(path: string, as = token): Promise<unknown> {
  const { status, body } = await api.call('GET', `/api/v1/secret-versions/${path}`, { token: as });
  return status === 200 ? body : status;
}

describe('custom metadata of a secret', () => {
  it('is shown beside the versions, with its author', async () => {
    expect(await shown('app/db')).not.toHaveProperty('customMetadata');
    const made = await change('app/db', { customMetadata: { owner: 'pay', tier: '1' } });
    expect(made).toMatchObject({ status: 200, body: { path: 'app/db', metadataVersion: 1 } });
    expect(made.headers).toMatchObject({ etag: '"1"' });
    await change('app/db', { customMetadata: { tier: null } });
    expect(await shown('app/db')).toMatchObject({
      items: [{ version: '1' }],
      customMetadata: {
        version: 2,
        entries: { owner: 'pay' },
        updatedAt: expect.any(String),
        updatedBy: 'k8s://c1/prod/api',
      },
    });
    const replaced = { customMetadata: { team: 'ops' }, replace: true };
    expect((await change('app/db', replaced)).body).toMatchObject({ metadataVersion: 3 });
    expect(await shown('app/db')).toMatchObject({ customMetadata: { entries: { team: 'ops' } } });
  });

  it('is written before the first version, and destroyed without one', async () => {
    const made = await change('app/ahead', { customMetadata: { owner: 'pay' } });
    expect(made.status).toBe(200);
    expect(await shown('app/ahead')).toMatchObject({ items: [], customMetadata: { version: 1 } });
    expect((await api.call('GET', '/api/v1/secrets/app/ahead', { token })).status).toBe(404);
    const destroyed = await api.call('POST', '/api/v1/secrets/app/ahead:destroy', {
      token,
      body: {},
    });
    expect([destroyed.status, await shown('app/ahead')]).toEqual([204, 404]);
  });

  it('is changed only at the version that the caller names', async () => {
    const body = { customMetadata: { a: '1' } };
    const at = (headers: Record<string, string>) => change('app/cas', body, { headers });
    expect((await at({ 'If-Match': '"1"' })).body.code).toBe('ERR_VERSION_CONFLICT');
    expect((await at({ 'If-None-Match': '*' })).status).toBe(200);
    expect((await at({ 'If-None-Match': '*' })).body.code).toBe('ERR_VERSION_CONFLICT');
    expect((await at({ 'If-Match': '"1"' })).body.metadataVersion).toBe(1);
    for (const tag of ['*', '"x"', '"01"'])
      expect((await at({ 'If-Match': tag })).body.code).toBe('ERR_REQUEST_INVALID');
  });

  it.each([
    {},
    { customMetadata: { '': 'v' } },
    { customMetadata: { k: '' } },
    { customMetadata: { k: 'two\nlines' } },
    { customMetadata: { k: 'zero\u200bwidth' } },
    { customMetadata: { k: '\ud800' } },
    { customMetadata: { k: 1 } },
    { customMetadata: { ['ä'.repeat(65)]: 'v' } },
    { customMetadata: { k: 'ä'.repeat(257) } },
    { customMetadata: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`k${at}`, 'v'])) },
  ])('refuses what is outside its bounds: %j', async (body) => {
    expect((await change('app/db', body)).body.code).toBe('ERR_BODY_INVALID');
  });

  it('needs the right to write, and is shown to callers that may list or read', async () => {
    const lister = await api.operator('lister', [{ role: 'secret-reader' }]);
    const body = { customMetadata: { owner: 'mallory' } };
    for (const path of ['app/db', 'app/never', 'nowhere/x'])
      expect((await change(path, body, { as: lister })).status).toBe(403);
    expect(await shown('app/db', lister)).toMatchObject({ items: [{ version: '1' }] });
    const stranger = await api.logIn({ namespace: 'strangers' });
    expect((await change('app/db', body, { as: stranger })).status).toBe(403);
    expect(await shown('app/db', stranger)).toBe(403);
  });

  it('is recorded with its version and the number of keys, and without texts', async () => {
    const { headers } = await change('app/db', { customMetadata: { note: 'text-of-the-caller' } });
    const entries = await storedEntries(api.broker.parts.store);
    const entry = entries.find(({ requestId }) => requestId === headers['x-request-id']);
    expect(entry).toMatchObject({
      action: 'secret.describe',
      outcome: 'ok',
      path: 'app/db',
      version: '4',
      count: 2,
      policy: { rule: expect.any(String) },
    });
    expect(JSON.stringify(entries)).not.toContain('text-of-the-caller');
  });
});
