import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policy, RunningApi } from '../kit/api/running-api.ts';
import { until } from '../kit/backends/until.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import { listRows } from '../kit/store/table-rows.ts';

const REFUSED = {
  status: 400,
  body: { errors: ['wrapping token is not valid or does not exist'] },
};
const VALUE = 'correct horse battery staple';

let api: RunningApi;
let session: string;

function call(method: string, path: string, options: VaultCall = {}): Promise<VaultAnswer> {
  return vaultCall(api.vaultPort, method, path, { token: session, ...options });
}

/** Sends a request whose answer is wrapped. @returns `wrap_info` */
async function wrap(
  method: string,
  path: string,
  { ttl = '5m', ...options }: VaultCall & { readonly ttl?: string } = {},
): Promise<VaultAnswer['body']> {
  const answered = await call(method, path, { headers: { 'X-Vault-Wrap-TTL': ttl }, ...options });
  expect([answered.status, answered.body.data, answered.body.auth]).toEqual([200, null, null]);
  return answered.body.wrap_info;
}

function unwrap(token: string): Promise<VaultAnswer> {
  return call('PUT', 'sys/wrapping/unwrap', { token });
}

beforeAll(async () => {
  const mounts = {
    secret: { engine: 'kv-v2', prefix: 'app' },
    old: { engine: 'kv-v1', prefix: 'app' },
  };
  const auth = { kubernetes: { cluster: 'c1' } };
  api = await RunningApi.start({
    vaultApi: { mounts, auth },
    limits: { maxValueBytes: 100_000 },
  });
  await api.seed();
  await api.put('policies/more', policy('more', ['more/**'], ['read', 'write']));
  await api.put('mounts/more', { prefix: 'more', connection: 'embedded' });
  session = await api.logIn();
  await call('PUT', 'secret/data/b', { body: { data: { k: VALUE } } });
});

afterAll(() => api.stop());

describe('a wrapped answer', () => {
  it('is kept encrypted, opens once, and has one entry at each end', async () => {
    const info = await wrap('GET', 'secret/data/b');
    expect(info).toMatchObject({ ttl: 300, creation_path: 'secret/data/b', wrapped_accessor: '' });
    expect(info.token).toMatch(/^qmw_/);
    const rows = await listRows(api.broker.parts.store, 'wrapped_answers', { limit: 10 });
    const row = rows.find(({ id }) => id === info.accessor);
    expect(Buffer.from(row?.sealed ?? '').toString('latin1')).not.toContain(VALUE);
    const looked = await call('PUT', 'sys/wrapping/lookup', { body: { token: info.token } });
    expect(looked.body.data).toMatchObject({ creation_path: 'secret/data/b', creation_ttl: 300 });
    const opened = await unwrap(info.token);
    expect([opened.status, opened.body.data.data]).toEqual([200, { k: VALUE }]);
    expect(await unwrap(info.token)).toMatchObject(REFUSED);
    const entries = await storedEntries(api.broker.parts.store);
    const own = entries.filter(({ token, outcome }) => token === info.accessor && outcome === 'ok');
    expect(own.map(({ action, path, actor }) => [action, path, actor['kind']])).toEqual([
      ['wrapping.create', 'app/b', 'workload'],
      ['wrapping.open', 'app/b', 'unauthenticated'],
    ]);
    expect(own[1]).toMatchObject({ workload: 'k8s://c1/prod/api', client: { face: 'vault' } });
  });

  it('is that of a login, of data of the caller, or of KV version 1', async () => {
    const body = { jwt: api.serviceAccountToken(), role: 'web' };
    const login = await wrap('PUT', 'auth/kubernetes/login', { token: '', body });
    const { auth } = (await unwrap(login.token)).body;
    expect(auth.accessor).toBe(login.wrapped_accessor);
    expect((await call('GET', 'secret/data/b', { token: auth.client_token })).status).toBe(200);
    const own = await wrap('POST', 'sys/wrapping/wrap', { ttl: '60', body: { n: 1.5, a: [null] } });
    expect((await unwrap(own.token)).body.data).toEqual({ n: 1.5, a: [null] });
    const old = await wrap('GET', 'old/b', { ttl: '1m0s' });
    expect([old.ttl, (await unwrap(old.token)).body.data]).toEqual([60, { k: VALUE }]);
  });

  it('moves to a new token', async () => {
    const first = await wrap('GET', 'secret/data/b');
    // Go clients send the body null.
    const moved = await call('PUT', 'sys/wrapping/rewrap', { token: first.token, body: 'null' });
    const { token, ttl, creation_path: path } = moved.body.wrap_info;
    expect([moved.status, ttl, path]).toEqual([200, 300, 'secret/data/b']);
    expect(await unwrap(first.token)).toMatchObject(REFUSED);
    expect((await unwrap(token)).body.data.data).toEqual({ k: VALUE });
  });

  it('ends with its time, and its row is removed', async () => {
    const info = await wrap('GET', 'secret/data/b', { ttl: '1s' });
    await until('its end', async () => {
      const { status } = await call('PUT', 'sys/wrapping/lookup', { token: info.token });
      return status === 400;
    });
    expect(await unwrap(info.token)).toMatchObject(REFUSED);
    await until('its removal', async () => {
      const rows = await listRows(api.broker.parts.store, 'wrapped_answers', { limit: 100 });
      return rows.every(({ id }) => id !== info.accessor);
    });
  });

  it('ends with the session that wrapped it, also in quarantine, and with the right to read', async () => {
    const ended = await api.logIn({ pod: { name: 'p-1', uid: 'uid-1' } });
    const first = await wrap('GET', 'secret/data/b', { token: ended });
    await call('PUT', 'auth/token/revoke-self', { token: ended });
    expect(await unwrap(first.token)).toMatchObject(REFUSED);
    const suspect = await api.logIn({ pod: { name: 'p-2', uid: 'uid-2' } });
    const second = await wrap('GET', 'secret/data/b', { token: suspect });
    const quarantine = { kind: 'pod', cluster: 'c1', pod: 'uid-2', reason: 'test' };
    await api.call('POST', '/api/v1/quarantines', { token: api.admin, body: quarantine });
    expect(await unwrap(second.token)).toMatchObject(REFUSED);
    const loser = await api.logIn({ namespace: 'guests' });
    const guests = { clusters: ['c1'], namespaces: ['guests'], serviceAccounts: ['*'] };
    const allowed = policy('guests', ['app/b'], ['read']) as { spec: object };
    const guest = { ...allowed, spec: { ...allowed.spec, subjects: [guests] } };
    await api.put('policies/guests', guest);
    const third = await wrap('GET', 'secret/data/b', { token: loser });
    await api.call('DELETE', '/api/v1/policies/guests', {
      token: api.admin,
      headers: { 'If-Match': '*' },
    });
    expect((await call('GET', 'secret/data/b', { token: loser })).status).toBe(403);
    expect(await unwrap(third.token)).toMatchObject(REFUSED);
  });
});

describe('a wrapping token', () => {
  it('identifies no caller at either listener, and a session opens no wrapped answer', async () => {
    const { token } = await wrap('GET', 'secret/data/b');
    for (const [method, path] of [
      ['GET', 'secret/data/b'],
      ['GET', 'auth/token/lookup-self'],
      ['PUT', 'auth/token/renew-self'],
      ['PUT', 'sys/wrapping/wrap'],
    ] as const)
      expect((await call(method, path, { token })).status).toBe(403);
    expect((await api.call('GET', '/api/v1/secrets/app/b', { token })).status).toBe(401);
    for (const other of [session, api.admin, 'qmw_x', ''])
      expect(await unwrap(other)).toMatchObject(REFUSED);
    expect((await unwrap(token)).status).toBe(200);
  });

  it('is never in the log, also if a client puts it into a path', async () => {
    const { token } = await wrap('GET', 'secret/data/b');
    await call('GET', `secret/data/${token}`);
    const text = JSON.stringify(await storedEntries(api.broker.parts.store)) + api.logged.join('');
    expect(text).not.toContain(token);
  });
});

describe('X-Vault-Wrap-TTL', () => {
  it('is refused where an answer cannot be wrapped, and nothing is done', async () => {
    const headers = { 'X-Vault-Wrap-TTL': '5m' };
    for (const [method, path, body] of [
      ['PUT', 'secret/data/new', { data: { a: 'b' } }],
      ['PUT', 'auth/token/renew-self', undefined],
      ['PUT', 'auth/token/revoke-self', undefined],
      ['PUT', 'sys/wrapping/unwrap', { token: 'qmw_x' }],
      ['GET', 'sys/health', undefined],
    ] as const)
      expect((await call(method, path, { headers, body })).status).toBe(400);
    expect((await call('GET', 'secret/data/new')).status).toBe(404);
    expect((await call('GET', 'auth/token/lookup-self')).status).toBe(200);
    expect((await call('PUT', 'secret/data/new', { headers, token: 'x' })).status).toBe(403);
    expect((await call('GET', 'secret/data/b', { headers, token: api.admin })).status).toBe(400);
  });

  it.each(['0', '0s', '', '-5', '1.5s', '24h1s', '5 m', '99999999999', 'm', '5m,60'])(
    'is refused with the value %j',
    async (ttl) => {
      const headers = { 'X-Vault-Wrap-TTL': ttl };
      const answered = await call('GET', 'secret/data/b', { headers });
      expect([answered.status, answered.body.data]).toEqual([400, undefined]);
    },
  );

  it('keeps a limited number of answers of a workload, and no large one', async () => {
    const data = { k: 'x'.repeat(90_000) };
    await call('PUT', 'secret/data/large', { body: { data } });
    const headers = { 'X-Vault-Wrap-TTL': '5m' };
    const large = await call('GET', 'secret/data/large', { headers });
    expect([large.status, large.body.data]).toEqual([413, undefined]);
    const token = await api.logIn({ serviceAccount: { name: 'greedy', uid: 'uid-greedy' } });
    const statuses: number[] = [];
    while (statuses.length < 101) {
      const answered = await call('GET', 'secret/data/b', { headers, token });
      statuses.push(answered.status);
    }
    expect(statuses.indexOf(429)).toBe(100);
    expect((await call('GET', 'secret/data/b', { headers })).status).toBe(200);
    expect((await call('GET', 'secret/data/b', { token })).status).toBe(200);
  });
});
