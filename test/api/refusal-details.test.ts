import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';

let api: RunningApi;
let auditor: string;
let editor: string;
let session: string;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  auditor = await api.operator('ada', [{ role: 'auditor' }]);
  editor = await api.operator('eva', [{ role: 'secret-editor', scope: ['other/team'] }]);
  session = await api.logIn();
  await api.put('mounts/hidden', { prefix: 'hidden', connection: 'embedded' });
  await api.put('mounts/other', { prefix: 'other/team/kv', connection: 'embedded' });
});
afterAll(() => api.stop());

function detailOf({ body }: Answered): unknown {
  return (body as { detail?: unknown }).detail;
}

describe('a denied operator', () => {
  it('gets the required roles and those of its token', async () => {
    const denied = await api.call('GET', '/api/v1/mounts/hidden', { token: auditor });
    expect(denied.status).toBe(403);
    expect(detailOf(denied)).toBe(
      'this needs the role admin, with a scope that covers the request; the token has auditor',
    );
  });

  it.each([
    ['GET', 'mounts/hidden', 'mounts/none'],
    ['GET', 'secrets/app/db', 'secrets/app/none'],
    ['DELETE', 'operators/ada', 'operators/none'],
    ['GET', 'policies/app', 'policies/none'],
  ])('cannot find out from %s whether %s or %s exists', async (method, there, absent) => {
    const headers = { 'If-Match': '*' };
    const [one, other] = await Promise.all(
      [there, absent].map((path) =>
        api.call(method, `/api/v1/${path}`, { token: auditor, headers }),
      ),
    );
    expect(one?.status).toBe(403);
    const same = { ...(other?.body as object), requestId: expect.any(String) };
    expect(one?.body).toEqual(same);
  });

  it('gets the scope of its own role', async () => {
    const body = { data: { a: 'b' } };
    const denied = await api.call('PUT', '/api/v1/secrets/app/x', { token: editor, body });
    expect(detailOf(denied)).toContain('the token has secret-editor for other/team');
  });

  it('gets the answer that an operation is for workloads', async () => {
    const denied = await api.call('GET', '/api/v1/sessions/self', { token: auditor });
    expect(detailOf(denied)).toBe('only workloads may call this; the token is of an operator');
  });

  it('gets it for each item of a batch', async () => {
    const reader = await api.operator('rob', [{ role: 'secret-reader', scope: ['other'] }]);
    const body = { items: [{ path: 'app/db' }] };
    const { body: answer } = await api.call('POST', '/api/v1/secrets:batch', {
      token: reader,
      body,
    });
    expect(answer).toMatchObject({ items: [{}] });
    const { items } = answer as { items: { error: { detail: string } }[] };
    expect(items[0]?.error.detail).toContain('this needs the role secret-reader');
  });
});

describe('a denied workload', () => {
  it('gets no details', async () => {
    const denied = await api.call('GET', '/api/v1/secrets/hidden/x', { token: session });
    expect(denied.status).toBe(403);
    expect(detailOf(denied)).toBeUndefined();
  });
});

describe('a path without a mount', () => {
  const body = { data: { a: 'b' } };

  it('gives an admin all mounts', async () => {
    const found = await api.call('PUT', '/api/v1/secrets/nowhere/x', { token: api.admin, body });
    expect(found.status).toBe(404);
    expect(detailOf(found)).toMatch(
      /^no mount covers this path; mounts: .*\bapp\b.*hidden.*other\/team\/kv/,
    );
  });

  it('gives other roles only the mounts within their scope', async () => {
    const found = await api.call('PUT', '/api/v1/secrets/other/team/x', { token: editor, body });
    expect(found.status).toBe(404);
    expect(detailOf(found)).toBe('no mount covers this path; mounts: other/team/kv');
  });
});

describe('the root of the URL', () => {
  it('identifies the broker, without a token and without the release', async () => {
    const greeting = await api.call('GET', '/');
    expect(greeting.status).toBe(200);
    expect(greeting.headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(greeting.text).toContain('/openapi.json');
    expect(greeting.text).not.toMatch(/\d+\.\d+\.\d+/);
  });
});
