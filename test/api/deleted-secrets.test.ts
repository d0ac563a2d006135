import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policy, RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

describe('a list of deleted secrets', () => {
  const deleted = (as: string, more = '') =>
    api.call('GET', `/api/v1/secrets?deleted=true&prefix=app/listed${more}`, { token: as });
  const pathsOf = ({ body }: { body: object }): readonly unknown[] =>
    (body as { items: { path: string }[] }).items.map(({ path }) => path);

  beforeAll(async () => {
    for (const name of ['a', 'b', 'c', 'present']) {
      const path = `/api/v1/secrets/app/listed/${name}`;
      await api.call('PUT', path, { token, body: { data: { v: '1' } } });
      if (name !== 'present') await api.call('DELETE', path, { token });
    }
  });

  it('shows what can be restored, until when, page after page', async () => {
    const first = await deleted(token, '&limit=2');
    expect(first).toMatchObject({
      status: 200,
      body: { items: [{ path: 'app/listed/a', version: '1' }, { path: 'app/listed/b' }] },
    });
    const [{ destroyAt = '' } = {}] = first.body.items as { destroyAt?: string }[];
    expect(Date.parse(destroyAt)).toBeGreaterThan(Date.now() + 6 * 86_400_000);
    const next = String(first.body.next);
    expect(pathsOf(await deleted(token, `&limit=2&after=${next}`))).toEqual(['app/listed/c']);
    const present = await api.call('GET', '/api/v1/secrets?prefix=app/listed', { token });
    expect(pathsOf(present)).toEqual(['app/listed/present']);
    expect(JSON.stringify(present.body)).not.toContain('destroyAt');
    const foreign = `/api/v1/secrets?prefix=app/listed&after=${next}`;
    expect((await api.call('GET', foreign, { token })).status).toBe(400);
  });

  it('is for callers that may restore it, and does not show others that it exists', async () => {
    const reader = await api.operator('list-reader', [{ role: 'secret-reader' }]);
    expect((await deleted(reader)).status).toBe(403);
    const scope = ['app/listed/b'];
    const editor = await api.operator('list-editor', [
      { role: 'secret-editor', scope },
      { role: 'secret-reader' },
    ]);
    expect(pathsOf(await deleted(editor))).toEqual(['app/listed/b']);
    const elsewhere = [{ role: 'secret-editor', scope: ['app/other'] }] as const;
    expect((await deleted(await api.operator('other-editor', elsewhere))).status).toBe(403);
  });

  it('shows a workload that may list but not write nothing, as if nothing was deleted', async () => {
    const lister = { clusters: ['c1'], namespaces: ['lists'], serviceAccounts: ['*'] };
    const document = policy('lists', ['app/listed/*', 'app/none/*'], ['list']);
    await api.put('policies/lists', {
      ...document,
      spec: { ...(document as { spec: object }).spec, subjects: [lister] },
    });
    const as = await api.logIn({ namespace: 'lists' });
    const present = await api.call('GET', '/api/v1/secrets?prefix=app/listed', { token: as });
    expect(pathsOf(present)).toEqual(['app/listed/present']);
    const none = await api.call('GET', '/api/v1/secrets?deleted=true&prefix=app/none', {
      token: as,
    });
    expect(none).toMatchObject({ status: 200, body: { items: [] } });
    expect((await deleted(as)).body).toEqual(none.body);
    const stranger = await api.logIn({ namespace: 'strangers' });
    expect((await deleted(stranger)).status).toBe(403);
  });

  it('refuses another word than true and false', async () => {
    const answer = await api.call('GET', '/api/v1/secrets?deleted=yes', { token });
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_REQUEST_INVALID' } });
  });
});
