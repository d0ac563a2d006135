import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let admins: readonly string[];

beforeAll(async () => {
  api = await RunningApi.start();
  const { body } = await api.call('GET', '/api/v1/operators', { token: api.admin });
  const { items } = body as { items: { name: string; document: { grants: { role: string }[] } }[] };
  admins = items
    .filter(({ document }) => document.grants.some(({ role }) => role === 'admin'))
    .map(({ name }) => name);
});
afterAll(() => api.stop());

const headers = { 'If-Match': '*' };

describe('the last operator with the role admin', () => {
  it('cannot be deleted, and cannot lose the role', async () => {
    expect(admins).toHaveLength(1);
    const path = `/api/v1/operators/${admins[0] ?? ''}`;
    const { admin: token } = api;
    const body = { grants: [{ role: 'auditor' }] };
    for (const refused of [
      await api.call('DELETE', path, { token, headers }),
      await api.call('PUT', path, { token, headers, body }),
    ]) {
      expect(refused.status).toBe(409);
      expect(refused.body).toMatchObject({
        detail: `"${admins[0] ?? ''}" is the last operator with the role admin; create another admin first`,
      });
    }
    const read = await api.call('GET', path, { token });
    expect(read.status).toBe(200);
  });

  it('can be deleted once there is another admin', async () => {
    const token = await api.operator('second', [{ role: 'admin' }]);
    const path = `/api/v1/operators/${admins[0] ?? ''}`;
    expect((await api.call('DELETE', path, { token, headers })).status).toBe(204);
  });
});
