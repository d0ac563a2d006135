import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { storedEntries } from '../kit/store/store-diff.ts';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';

let api: RunningApi;
let editor: string;
let reader: string;
let session: string;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  editor = await api.operator('eva', [{ role: 'secret-editor' }]);
  reader = await api.operator('rob', [{ role: 'secret-reader' }]);
  await api.put('mounts/other', { prefix: 'other', connection: 'embedded' });
  await api.put('mounts/w', { prefix: 'w', connection: 'embedded' });
  await api.put('policies/writes', policy('writes', ['w/**'], ['write']));
  session = await api.logIn();
});
afterAll(() => api.stop());

const FULL = { username: 'app', password: 'old', host: 'db' };

function write(path: string, data: object, query = '', headers = {}): Promise<Answered> {
  const body = { data };
  return api.call('PUT', `/api/v1/secrets/${path}${query}`, { token: editor, body, headers });
}

function patch(
  path: string,
  data: object,
  more: { token?: string; headers?: object; query?: string } = {},
) {
  const { token = editor, headers = {}, query = '' } = more;
  const given = headers as Record<string, string>;
  const body = { data };
  return api.call('POST', `/api/v1/secrets/${path}:patch${query}`, { token, body, headers: given });
}

async function valueOf(path: string): Promise<unknown> {
  const { body } = await api.call('GET', `/api/v1/secrets/${path}`, { token: reader });
  return (body as { data: unknown }).data;
}

describe('a patch', () => {
  it('changes, adds and removes keys, and keeps all others, without the right to read', async () => {
    await write('app/p1', FULL);
    const read = await api.call('GET', '/api/v1/secrets/app/p1', { token: editor });
    expect(read.status).toBe(403);
    const patched = await patch('app/p1', { password: 'new', port: '5432', host: null });
    expect(patched.body).toEqual({ path: 'app/p1', version: '2', rotates: false });
    expect(patched.headers['etag']).toBe('"2"');
    expect(await valueOf('app/p1')).toEqual({ username: 'app', password: 'new', port: '5432' });
  });

  it('works for a workload that may only write, and is recorded as a write', async () => {
    await write('w/p2', FULL);
    const patched = await patch('w/p2', { password: 'new' }, { token: session });
    expect(patched.status).toBe(200);
    const [entry] = (await storedEntries(api.broker.parts.store)).filter(
      ({ requestId }) => requestId === patched.headers['x-request-id'],
    );
    expect(entry).toMatchObject({ action: 'secret.write', path: 'w/p2', version: '2' });
    expect(JSON.stringify(entry)).not.toContain('old');
  });

  it('is refused with another version than the current one, and changes nothing', async () => {
    await write('app/p3', FULL);
    const refused = await patch('app/p3', { password: 'x' }, { headers: { 'If-Match': '"7"' } });
    expect(refused.status).toBe(412);
    expect(await valueOf('app/p3')).toEqual(FULL);
    const done = await patch('app/p3', { password: 'x' }, { headers: { 'If-Match': '"1"' } });
    expect(done.status).toBe(200);
  });

  it('loses no change when two arrive at once', async () => {
    await write('app/p4', FULL);
    const answers = await Promise.all([
      patch('app/p4', { username: 'one' }),
      patch('app/p4', { password: 'two' }),
      patch('app/p4', { host: 'three' }),
    ]);
    const done = answers.filter(({ status }) => status === 200).length;
    expect(answers.every(({ status }) => [200, 412].includes(status))).toBe(true);
    const changed = Object.values((await valueOf('app/p4')) as object).filter((value) =>
      ['one', 'two', 'three'].includes(value as string),
    );
    expect(changed).toHaveLength(done);
  });

  it('refuses to remove the last key', async () => {
    await write('app/p5', { only: 'x' });
    const refused = await patch('app/p5', { only: null });
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ detail: expect.stringContaining('no key would be left') });
  });

  it('removes an absent key without effect, or refuses it and writes nothing', async () => {
    await write('app/p7', FULL);
    const refused = await patch(
      'app/p7',
      { none: null, host: 'x' },
      { query: '?absentKeys=refuse' },
    );
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({ detail: 'the secret has no key "none"' });
    expect(await valueOf('app/p7')).toEqual(FULL);
    expect((await patch('app/p7', { host: null }, { query: '?absentKeys=refuse' })).status).toBe(
      200,
    );
    expect((await patch('app/p7', { none: null })).status).toBe(200);
  });

  it.each([
    ['a reader', () => reader],
    ['a workload without the capability', () => session],
  ])('is denied to %s, whether the secret exists or not', async (_who, token) => {
    await write('other/p6', FULL);
    const answers = await Promise.all(
      ['other/p6', 'other/none'].map((path) => patch(path, { a: 'b' }, { token: token() })),
    );
    expect(answers.map(({ status }) => status)).toEqual([403, 403]);
  });

  it('gets 404 for a secret that does not exist', async () => {
    expect((await patch('app/never', { a: 'b' })).status).toBe(404);
  });
});

describe('a write that refuses to drop keys', () => {
  it('names the keys that it would drop, and writes nothing', async () => {
    await write('app/d1', FULL);
    const refused = await write('app/d1', { password: 'new' }, '?dropKeys=refuse');
    expect(refused.status).toBe(409);
    expect(refused.body).toMatchObject({
      code: 'ERR_CONFLICT',
      detail: 'the new version would drop 2 keys: host, username',
    });
    expect(await valueOf('app/d1')).toEqual(FULL);
  });

  it('writes a version with at least the same keys, and a secret that does not exist', async () => {
    expect((await write('app/d2', FULL, '?dropKeys=refuse')).status).toBe(200);
    const more = { ...FULL, port: '1' };
    expect((await write('app/d2', more, '?dropKeys=refuse')).status).toBe(200);
    expect(await valueOf('app/d2')).toEqual(more);
  });

  it('does not name keys to a caller that may not list', async () => {
    await write('w/d3', FULL);
    const refused = await api.call('PUT', '/api/v1/secrets/w/d3?dropKeys=refuse', {
      token: session,
      body: { data: { password: 'new' } },
    });
    expect(refused.body).toMatchObject({ detail: 'the new version would drop 2 keys' });
  });

  it('replaces the secret as before without the parameter', async () => {
    await write('app/d4', FULL);
    expect((await write('app/d4', { password: 'new' })).status).toBe(200);
    expect(await valueOf('app/d4')).toEqual({ password: 'new' });
  });
});
