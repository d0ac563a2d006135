import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { itemsOf, RunningApi } from '../kit/api/running-api.ts';
import { until } from '../kit/backends/until.ts';
import { vaultCall, type VaultAnswer, type VaultCall } from '../kit/api/vault-call.ts';
import { fileTree, removeTreesAfterEach } from '../kit/files/file-tree.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const MOUNTS = {
  secret: { engine: 'kv-v2', prefix: 'app' },
  'team/old': { engine: 'kv-v1', prefix: 'app' },
};

removeTreesAfterEach();

let api: RunningApi;
let session: string;

function call(method: string, path: string, options: VaultCall = {}): Promise<VaultAnswer> {
  return vaultCall(api.vaultPort, method, path, { token: session, ...options });
}

/** Sends packets one after another, and reads until the broker closes. */
async function packets(...texts: readonly string[]): Promise<string> {
  return exchange(texts, false);
}

/** Sends packets, and with `end` closes the side of the client. */
async function exchange(texts: readonly string[], end: boolean): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const atServer = nextAccepted();
  const socket = connect(api.vaultPort, '127.0.0.1');
  socket.setNoDelay(true);
  let received = '';
  socket.on('data', (bytes: Buffer) => (received += bytes.toString()));
  socket.on('error', () => resolve(received));
  socket.on('close', () => resolve(received));
  const accepted = await atServer;
  let sent = 0;
  for (const text of texts) {
    socket.write(text);
    sent += text.length;
    await until('the server has read the packet', () =>
      Promise.resolve(accepted.bytesRead === sent || accepted.destroyed),
    );
  }
  if (end) socket.end();
  return promise;
}

/** The next connection that a server of this process accepts. */
function nextAccepted(): Promise<Socket> {
  return new Promise((resolve) => {
    const take = (message: unknown): void => {
      unsubscribe('net.server.socket', take);
      resolve((message as { readonly socket: Socket }).socket);
    };
    subscribe('net.server.socket', take);
  });
}

function listRequest(path = 'secret/metadata/', more = ''): string {
  return `LIST /v1/${path} HTTP/1.1\r\nHost: b\r\nX-Vault-Token: ${session}\r\n${more}\r\n`;
}

beforeAll(async () => {
  api = await RunningApi.start({
    vaultApi: { mounts: MOUNTS, auth: { kubernetes: { cluster: 'c1' } } },
  });
  await api.seed(['read', 'list']);
  await api.put('policies/only-read', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'only-read' },
    spec: {
      subjects: [{ clusters: ['c1'], namespaces: ['quiet'], serviceAccounts: ['*'] }],
      rules: [{ name: 'r', effect: 'allow', paths: ['app/a/**'], capabilities: ['read'] }],
    },
  });
  for (const [path, data] of Object.entries({
    'app/a/db': { user: 'u', password: 'p\u00e4ss' },
    'app/a/x@y=z': { k: '1' },
    'app/b': { k: '2' },
  })) {
    await api.call('PUT', `/api/v1/secrets/${path}`, {
      token: api.admin,
      body: { data },
      headers: { 'If-None-Match': '*' },
    });
  }
  session = await api.logIn();
});

afterAll(async () => {
  await api.stop();
});

describe('logins and tokens', () => {
  it('opens a session for the token of a pod, and ends it', async () => {
    const jwt = api.serviceAccountToken();
    const { status, body } = await call('PUT', 'auth/kubernetes/login', {
      token: '',
      body: { role: 'web', jwt },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      lease_id: '',
      data: null,
      wrap_info: null,
      warnings: null,
      auth: {
        renewable: true,
        token_type: 'service',
        metadata: { role: 'web', service_account_namespace: 'prod' },
      },
    });
    const token = body.auth.client_token as string;
    const seen = await call('GET', 'auth/token/lookup-self', { token });
    expect(seen.body.data).toMatchObject({
      id: token,
      accessor: body.auth.accessor,
      type: 'service',
    });
    expect(seen.body.data.ttl).toBeGreaterThan(0);
    const renewed = await call('POST', 'auth/token/renew-self', { token, body: {} });
    expect(renewed.body.auth.client_token).toBe(token);
    expect(renewed.body.auth.lease_duration).toBeLessThanOrEqual(body.auth.lease_duration);
    // The session is the same one at the API of the broker.
    const own = await api.call('GET', '/api/v1/sessions/self', { token });
    expect(own.body.session.id).toBe(body.auth.accessor);
    const revoked = await call('PUT', 'auth/token/revoke-self', { token, body: 'null' });
    expect(revoked.status).toBe(204);
    expect(await call('GET', 'auth/token/lookup-self', { token })).toMatchObject({
      status: 403,
      body: { errors: ['permission denied'] },
    });
  });

  it('refuses a login at an unknown mount, with a wrong token and with no token, in the same way', async () => {
    const jwt = api.serviceAccountToken({ issuer: 'https://other.test' });
    const answers = await Promise.all([
      call('PUT', 'auth/other/login', { token: '', body: { jwt: api.serviceAccountToken() } }),
      call('PUT', 'auth/kubernetes/login', { token: '', body: { jwt } }),
    ]);
    for (const { status, body } of answers) {
      expect([status, body]).toEqual([403, { errors: ['permission denied'] }]);
    }
    expect((await call('PUT', 'auth/kubernetes/login', { token: '', body: {} })).status).toBe(400);
  });

  it('lets an operator look its token up', async () => {
    const { body } = await call('GET', 'auth/token/lookup-self', { token: api.admin });
    expect(body.data).toMatchObject({ renewable: false, meta: null });
    expect((await call('PUT', 'auth/token/renew-self', { token: api.admin })).status).toBe(400);
  });

  it('refuses a session that is bound to a key', async () => {
    const refused = await call('GET', 'auth/token/lookup-self', {
      token: '',
      headers: { Authorization: `DPoP ${session}` },
    });
    expect(refused.status).toBe(400);
  });
});

describe('reads', () => {
  it('reads a version of KV version 2 with all members that clients read', async () => {
    const { status, headers, body } = await call('GET', 'secret/data/a/db');
    expect(status).toBe(200);
    expect(headers.get('cache-control')).toBe('no-store');
    expect(body).toEqual({
      request_id: headers.get('x-request-id'),
      lease_id: '',
      renewable: false,
      lease_duration: 0,
      data: {
        data: { user: 'u', password: 'p\u00e4ss' },
        metadata: {
          created_time: expect.stringMatching(/^20.*Z$/),
          custom_metadata: null,
          deletion_time: '',
          destroyed: false,
          version: 1,
        },
      },
      wrap_info: null,
      warnings: null,
      auth: null,
    });
    for (const version of ['1', '0', '-1', '']) {
      expect((await call('GET', `secret/data/a/db?version=${version}&x=y`)).status).toBe(200);
    }
    expect(await call('GET', 'secret/data/a/db?version=9')).toMatchObject({
      status: 404,
      body: { errors: [] },
    });
    expect((await call('GET', 'secret/data/a/db?version=x')).status).toBe(400);
  });

  it('writes the entry and the lease of a read at the API, with the name of the face', async () => {
    const pod = await api.logIn({ pod: { name: 'p-9', uid: 'uid-9' } });
    const { headers } = await call('GET', 'secret/data/b', { token: pod });
    const entries = await storedEntries(api.broker.parts.store);
    const entry = entries.find(({ requestId }) => requestId === headers.get('x-request-id'));
    expect(entry).toMatchObject({
      action: 'secret.read',
      outcome: 'ok',
      path: 'app/b',
      version: '1',
      client: { face: 'vault' },
    });
    const leases = await api.call('GET', '/api/v1/leases?path=app/b&pod=uid-9', {
      token: api.admin,
    });
    expect(itemsOf(leases).map(({ id }) => id)).toEqual([entry?.['lease']]);
    const twice = await api.call('GET', '/api/v1/secrets/app/b', { token: pod });
    expect(twice.body.lease.id).toBe(entry?.['lease']);
  });

  it('decodes a name once', async () => {
    expect((await call('GET', 'secret/data/a/x%40y%3Dz')).body.data.data).toEqual({ k: '1' });
  });

  it('reads KV version 1 under a lease', async () => {
    const { body } = await call('GET', 'team/old/a/db');
    expect(body.data).toEqual({ user: 'u', password: 'p\u00e4ss' });
    expect(body.lease_duration).toBeGreaterThan(0);
  });

  it('shows a deleted version as absent with its metadata', async () => {
    const path = '/api/v1/secrets/app/gone';
    const body = { data: { k: 'v' } };
    await api.call('PUT', path, { token: api.admin, body, headers: { 'If-None-Match': '*' } });
    await api.call('DELETE', path, { token: api.admin });
    const gone = await call('GET', 'secret/data/gone');
    expect(gone.status).toBe(404);
    expect(gone.body.data).toMatchObject({
      data: null,
      metadata: { version: 1, destroyed: false },
    });
    expect(Date.parse(gone.body.data.metadata.deletion_time)).toBeLessThanOrEqual(Date.now());
  });

  it('reads the versions of a secret', async () => {
    const { body } = await call('GET', 'secret/metadata/a/db');
    expect(body.data).toMatchObject({
      current_version: 1,
      versions: { '1': { destroyed: false, deletion_time: '' } },
    });
  });

  it('says which mount covers a path, and its version as a text', async () => {
    const { body } = await call('GET', 'sys/internal/ui/mounts/secret/a/db');
    expect(body.data).toMatchObject({ path: 'secret/', type: 'kv', options: { version: '2' } });
    const old = await call('GET', 'sys/internal/ui/mounts/team/old');
    expect(old.body.data).toMatchObject({ path: 'team/old/', options: { version: '1' } });
    expect((await call('GET', 'sys/internal/ui/mounts/other/x')).status).toBe(403);
    const all = await call('GET', 'sys/internal/ui/mounts');
    expect(Object.keys(all.body.data.secret as object)).toEqual(['secret/', 'team/old/']);
  });

  it('shows its mounts and logins, to callers with any right', async () => {
    const { body } = await call('GET', 'sys/mounts');
    expect(body.data['secret/']).toMatchObject({ type: 'kv', options: { version: '2' } });
    expect(body['team/old/']).toEqual(body.data['team/old/']);
    const one = await call('GET', 'sys/mounts/team/old');
    expect(one.body).toMatchObject({ type: 'kv', data: { options: { version: '1' } } });
    const tune = await call('GET', 'sys/mounts/secret/tune');
    expect(tune.body.data).toMatchObject({ max_lease_ttl: 0, options: { version: '2' } });
    const logins = await call('GET', 'sys/auth');
    expect(logins.body.data).toMatchObject({ 'kubernetes/': { type: 'kubernetes' } });
    expect((await call('GET', 'sys/mounts/other')).status).toBe(404);
    const token = await api.logIn({ namespace: 'strangers' });
    for (const path of ['sys/mounts', 'sys/mounts/secret', 'sys/mounts/secret/tune', 'sys/auth'])
      expect((await call('GET', path, { token })).status).toBe(403);
  });

  it('looks up, renews and revokes a token by its text or accessor, for itself only', async () => {
    const token = await api.logIn({ pod: { name: 'p-8', uid: 'uid-8' } });
    const accessor = (await call('GET', 'auth/token/lookup-self', { token })).body.data
      .accessor as string;
    const looked = await call('POST', 'auth/token/lookup', { token, body: { token } });
    expect(looked.body.data).toMatchObject({ id: token, accessor });
    const hidden = await call('POST', 'auth/token/lookup-accessor', { token, body: { accessor } });
    expect(hidden.body.data).toMatchObject({ id: '', accessor });
    const renewed = await call('POST', 'auth/token/renew', {
      token,
      body: { token, increment: 5 },
    });
    expect(renewed.body.auth).toMatchObject({ client_token: token, accessor });
    const kept = await call('POST', 'auth/token/renew-accessor', { token, body: { accessor } });
    expect(kept.body.auth).toMatchObject({ client_token: '', accessor });
    for (const by of ['lookup', 'renew', 'revoke']) {
      for (const [path, body] of [
        [by, { token }],
        [`${by}-accessor`, { accessor }],
        [by, {}],
      ] as const) {
        for (const other of [session, api.admin]) {
          const refused = await call('PUT', `auth/token/${path}`, { token: other, body });
          expect([refused.status, refused.body.errors[1]]).toEqual([
            403,
            expect.stringContaining('quaymaster session end'),
          ]);
        }
      }
    }
    const ended = await call('PUT', 'auth/token/revoke-accessor', { token, body: { accessor } });
    expect(ended.status).toBe(204);
    expect((await call('GET', 'auth/token/lookup-self', { token })).status).toBe(403);
  });

  it('says what the caller may do', async () => {
    const { body } = await call('POST', 'sys/capabilities-self', {
      body: { paths: ['secret/data/a/db', 'secret/metadata/a/db', 'other/x'] },
    });
    expect(body.data).toEqual({
      'secret/data/a/db': ['list', 'read'],
      'secret/metadata/a/db': ['list', 'read'],
      'other/x': ['deny'],
    });
    const one = await call('PUT', 'sys/capabilities-self', { body: { path: 'secret/data/q' } });
    expect(one.body.capabilities).toEqual(['list', 'read']);
    expect(one.body.data.capabilities).toEqual(['list', 'read']);
  });

  it('answers probes without a token', async () => {
    const health = await call('GET', 'sys/health', { token: '' });
    expect([health.status, health.body.sealed, health.body.initialized]).toEqual([
      200,
      false,
      true,
    ]);
    const asked = await call('GET', 'sys/health?activecode=299&standbyok=true', { token: '' });
    expect(asked.status).toBe(299);
    const head = await fetch(`http://127.0.0.1:${api.vaultPort}/v1/sys/health`, { method: 'HEAD' });
    expect(head.status).toBe(200);
    expect((await call('GET', 'sys/seal-status', { token: '' })).body.sealed).toBe(false);
    expect((await call('GET', 'sys/leader', { token: '' })).body.ha_enabled).toBe(false);
  });
});

describe('lists', () => {
  it.each(['secret/metadata?list=true', 'secret/metadata/?list=true', 'team/old/?list=true'])(
    'folds names below a folder: %s',
    async (path) => {
      expect((await call('GET', path)).body.data).toEqual({ keys: ['a/', 'b'] });
    },
  );

  it('answers an empty folder as not found', async () => {
    expect(await call('GET', 'secret/metadata/none?list=true')).toMatchObject({
      status: 404,
      body: { errors: [] },
    });
  });

  it('takes the method LIST, alone and after other requests of a connection', async () => {
    expect(await packets(listRequest())).toContain('"keys":["a/","b"]');
    const get = `GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nX-Vault-Token: ${session}\r\n\r\n`;
    const both = await packets(get, listRequest('secret/metadata/a'));
    expect(both).toContain('"k":"2"');
    expect(both).toContain('"keys":["db","x@y=z"]');
    expect(both).toContain('Connection: close');
  });

  it('takes the method LIST over TLS, once for a connection', async () => {
    const authority = new CertificateAuthority();
    const { cert, key } = authority.issue({ commonName: 'b', ipAddresses: ['127.0.0.1'] });
    const directory = await fileTree({ 'tls.crt': cert, 'tls.key': key });
    const certificateFile = join(directory, 'tls.crt');
    const tls = { certificateFile, keyFile: join(directory, 'tls.key') };
    const secure = await RunningApi.start({ vaultApi: { mounts: MOUNTS, listener: { tls } } });
    await secure.seed();
    const token = await secure.logIn();
    await secure.call('PUT', '/api/v1/secrets/app/c', {
      token: secure.admin,
      body: { data: { k: '3' } },
      headers: { 'If-None-Match': '*' },
    });
    const head = `/v1/secret/metadata/ HTTP/1.1\r\nHost: b\r\nX-Vault-Token: ${token}\r\n\r\n`;
    const socket = connectTls({ port: secure.vaultPort, host: '127.0.0.1', ca: authority.cert });
    let received = '';
    socket.setEncoding('utf8').on('data', (text: string) => (received += text));
    socket.write(`LIST ${head}`);
    await once(socket, 'close');
    expect(received).toContain('"keys":["c"]');
    expect(received.split('HTTP/1.1 ').length).toBe(2);
    await secure.stop();
  });

  it('takes a LIST whose head arrives in several packets', async () => {
    const text = listRequest();
    for (const at of [5, 6, 20, text.length - 2]) {
      const answered = await packets(text.slice(0, at), text.slice(at));
      expect(answered).toContain('"keys":["a/","b"]');
    }
  });

  it('refuses a method that is split over two packets', async () => {
    for (const at of [1, 2, 3, 4]) {
      const text = listRequest();
      expect(await packets(text.slice(0, at), text.slice(at))).toMatch(/^HTTP\/1.1 400 /);
    }
  });

  it('never runs a request behind a LIST, and no LIST behind a request', async () => {
    const get = `GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nX-Vault-Token: ${session}\r\n\r\n`;
    const first = await packets(listRequest() + get);
    expect(first).toContain('"keys"');
    expect(first).not.toContain('"k":"2"');
    const second = await packets(get + listRequest());
    expect(second).not.toContain('"keys"');
    expect(second).toMatch(/HTTP\/1.1 400 /);
  });

  it.each(['LINK', 'link', 'LISTX', 'list', 'SCAN', 'UNLINK', 'CONNECT'])(
    'refuses the method %s',
    async (method) => {
      const answered = await packets(
        listRequest('secret/metadata/', 'Connection: close\r\n').replace('LIST', method),
      );
      expect(answered).toMatch(/^HTTP\/1.1 4(?:00|05) /);
      expect(answered).not.toContain('"keys"');
      expect(JSON.parse(answered.slice(answered.indexOf('\r\n\r\n')))).toHaveProperty('errors');
    },
  );

  it('keeps no connection and no parser after a LIST', async () => {
    const before = api.vault?.connections.open ?? 0;
    for (let count = 0; count < 20; count += 1) await packets(listRequest());
    await until('closed connections', () =>
      Promise.resolve((api.vault?.connections.open ?? 0) <= before),
    );
  });

  it('never answers random bytes around a LIST with a list that they do not ask for', async () => {
    const alphabet = [
      'LIST ',
      'LINK ',
      'GET ',
      '/v1/secret/metadata/',
      ' HTTP/1.1\r\n',
      '\r\n',
      'Host: b\r\n',
      '\0',
      'LI',
      'ST ',
      `X-Vault-Token: ${session}\r\n`,
    ];
    let seed = 7;
    const next = (most: number): number => (seed = (seed * 48_271) % 2_147_483_647) % most;
    for (let round = 0; round < 60; round += 1) {
      const parts = Array.from(
        { length: 1 + next(8) },
        () => alphabet[next(alphabet.length)] ?? '',
      );
      const answered = await exchange([...parts.slice(0, 2), parts.slice(2).join('')], true);
      if (answered.includes('"keys"'))
        expect(parts.join('')).toMatch(/^LIST \/v1\/secret\/metadata\/ HTTP/);
    }
    expect((await call('GET', 'secret/data/b')).status).toBe(200);
  });
});

describe('attacks', () => {
  it('refuses a list of a path that may be read but not listed', async () => {
    const quiet = await api.logIn({ namespace: 'quiet' });
    expect((await call('GET', 'secret/data/a/db', { token: quiet })).status).toBe(200);
    for (const path of [
      'secret/metadata/a?list=true',
      'secret/data/a?list=true',
      'secret/metadata/a/db',
    ]) {
      expect((await call('GET', path, { token: quiet })).status).toBeGreaterThanOrEqual(403);
    }
  });

  it('says the same of a path that is denied, absent or unmounted', async () => {
    const stranger = await api.logIn({ namespace: 'strangers' });
    const texts = await Promise.all(
      ['secret/data/a/db', 'secret/data/none'].map(async (path) => {
        const { status, body } = await call('GET', path, { token: stranger });
        return JSON.stringify([status, body]);
      }),
    );
    expect(new Set(texts)).toEqual(new Set(['[403,{"errors":["permission denied"]}]']));
    for (const path of ['secret/data/a/db', 'nowhere/x', 'sys/mounts']) {
      expect((await call('GET', path, { token: 'hvs.CAESIJ' })).status).toBe(403);
      expect((await call('GET', path, { token: '' })).status).toBe(403);
    }
    expect((await call('GET', 'nowhere/x')).status).toBe(404);
  });

  it.each([
    [{ 'X-Vault-Namespace': 'other' }, 'namespaces are not supported'],
    [{ Authorization: 'Basic YTpi' }, 'the token is sent as'],
    [{ Authorization: 'Bearer other' }, 'two tokens'],
  ])('refuses headers that must not be ignored: %o', async (headers, text) => {
    const { status, body } = await call('GET', 'secret/data/a/db', { headers });
    expect(status).toBe(400);
    expect(body.errors[0]).toContain(text);
  });

  it('accepts the root namespace and a bearer token', async () => {
    const headers = {
      Authorization: `Bearer ${session}`,
      'X-Vault-Namespace': '',
      'X-Vault-Index': 'x',
    };
    const response = await fetch(`http://127.0.0.1:${api.vaultPort}/v1/secret/data/b`, { headers });
    expect(response.status).toBe(200);
  });

  it('refuses AppRole at any mount, with the way to log in', async () => {
    for (const mount of ['approle', 'kubernetes']) {
      const body = { role_id: 'r', secret_id: 's3cret' };
      const answered = await call('PUT', `auth/${mount}/login`, { token: '', body });
      expect(answered.status).toBe(400);
      expect(answered.body.errors[0]).toContain('Send the token of the pod');
      expect(JSON.stringify(answered.body)).not.toContain('s3cret');
    }
  });

  it('refuses a token in the query', async () => {
    for (const name of ['token', 'X-Vault-Token', 'client_token', 'q']) {
      const answered = await call('GET', `secret/data/b?${name}=${session}`, { token: '' });
      expect([answered.status, answered.body.errors[0]]).toEqual([
        400,
        expect.stringContaining('query'),
      ]);
    }
  });

  it.each([
    'secret/data/a%2Fdb',
    'secret/data/a/%2e%2e/b',
    'secret/data/a/../b',
    'secret%2Fdata/b',
    'secret/data/b%00',
    'secret/data/%2562',
    'secret/data/b%zz',
    'secret/data/a%5Cdb',
    'secret/data/a b',
    'secret/data/%62%20c',
    'secret/data/%62',
    'secret/d%61ta/b',
    '%73ecret/data/b',
    'secret/metadata?l%69st=true',
    'secret/metadata?list=tru%65',
    'Secret/data/b',
    'secret/DATA/b',
    'secret/data/B',
  ])('reads no other secret for the target %s', async (path) => {
    const answered = await packets(
      `GET /v1/${path} HTTP/1.1\r\nHost: b\r\nConnection: close\r\nX-Vault-Token: ${session}\r\n\r\n`,
    );
    expect(answered).toMatch(/^HTTP\/1.1 40[034] /);
    expect(answered).not.toContain('"k":"2"');
    expect(answered).not.toContain('"keys"');
  });

  it('sends a client with an empty segment to the path without it', async () => {
    const { status, headers } = await call('PUT', 'auth//login', { token: '', body: {} });
    expect([status, headers.get('location')]).toEqual([307, '/v1/auth/login']);
    const outside = await fetch(`http://127.0.0.1:${api.vaultPort}//evil.test/x`, {
      redirect: 'manual',
    });
    expect(outside.headers.get('location') ?? '').not.toMatch(/^\/\//);
  });

  it.each([
    ['null', 'null', 400],
    ['no bytes', '', 400],
    ['a form', 'a=b', 400],
    ['a list', '[]', 400],
    ['a number as the token', '{"jwt":1}', 400],
    ['a key twice', '{"jwt":"a","jwt":"b"}', 400],
    ['too many bytes', `{"jwt":"${'x'.repeat(20_000)}"}`, 413],
  ])('refuses the body of a login: %s', async (_name, body, status) => {
    const answered = await call('PUT', 'auth/kubernetes/login', { token: '', body });
    expect(answered.status).toBe(status);
    expect(answered.body).toHaveProperty('errors');
  });

  it('refuses a body that announces 32 MiB before it reads it', async () => {
    const answered = await packets(
      'PUT /v1/auth/kubernetes/login HTTP/1.1\r\nHost: b\r\nContent-Length: 33554432\r\n\r\n',
    );
    expect(answered).toMatch(/^HTTP\/1.1 413 /);
  });

  it.each([
    'GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nContent-Length: 5\r\n',
    'GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nHost: c\r\n',
    'GET http://other/v1/secret/data/b HTTP/1.1\r\nHost: b\r\n',
    'GET /v1/secret/data/b HTTP/1.1\r\nHost: b\r\nX-Vault-Token: a\r\n',
    'LIST /v1/secret/metadata/ HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n',
    'LIST /v1/secret/metadata/ HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n Folded: x\r\n',
  ])('refuses a request that two parsers could read differently: %j', async (head) => {
    const answered = await packets(`${head}Connection: close\r\nX-Vault-Token: ${session}\r\n\r\n`);
    expect(answered).toMatch(/^HTTP\/1.1 400 /);
    expect(answered.split('HTTP/1.1 ').length).toBe(2);
  });

  it.each([
    ['PUT', 'sys/init', 405],
    ['PUT', 'sys/policies/acl/x', 405],
    ['GET', 'sys/storage/raft/snapshot', 405],
    ['POST', 'auth/token/create', 405],
    ['POST', 'transit/encrypt/k', 405],
    ['POST', 'auth/approle/login2', 405],
    ['DELETE', 'sys/health', 405],
    ['POST', 'sys/mounts/new', 405],
    ['DELETE', 'sys/auth/kubernetes', 405],
    ['GET', 'auth/token/accessors?list=true', 405],
    ['PUT', 'sys/leases/revoke-force/database', 405],
    ['GET', 'sys/leases/count', 405],
    ['GET', 'sys/events/subscribe/kv*', 400],
    ['GET', 'sys/events/subscribe/kv', 405],
    ['GET', 'sys/namespaces?list=true', 404],
  ])(
    'refuses what it does not have, in the form of errors that clients read: %s %s',
    async (method, path, status) => {
      const options = method === 'GET' ? {} : { body: '{"a":' };
      const answered = await call(method, path, options);
      expect(answered.status).toBe(status);
      expect(answered.body).toHaveProperty('errors');
    },
  );

  it('refuses a wrapping of a renewal, also for a valid token', async () => {
    const headers = { 'X-Vault-Wrap-TTL': '5m' };
    const answered = await call('PUT', 'auth/token/renew-self', { headers });
    expect([answered.status, answered.body.auth]).toEqual([400, undefined]);
  });

  it('refuses a session at once after it was ended or its pod is in quarantine', async () => {
    const pod = { name: 'p-7', uid: 'uid-7' };
    for (const [path, body] of [
      ['sessions:end', { by: 'pod', cluster: 'c1', pod: 'uid-7' }],
      ['quarantines', { kind: 'pod', cluster: 'c1', pod: 'uid-7', reason: 'test' }],
    ] as const) {
      const token = await api.logIn({ pod });
      expect((await call('GET', 'secret/data/b', { token })).status).toBe(200);
      const done = await api.call('POST', `/api/v1/${path}`, { token: api.admin, body });
      expect(done.status).toBeLessThan(300);
      expect((await call('GET', 'secret/data/b', { token })).status).toBe(403);
    }
    const jwt = api.serviceAccountToken({ pod });
    const login = await call('PUT', 'auth/kubernetes/login', { token: '', body: { jwt } });
    expect(login.status).toBe(403);
  });

  it('serves probes only after the broker was sealed', async () => {
    const sealed = await RunningApi.start({ vaultApi: { mounts: MOUNTS } });
    await sealed.seed();
    const token = await sealed.logIn();
    const body = { reason: 'test' };
    const done = await sealed.call('POST', '/api/v1/seal', { token: sealed.admin, body });
    expect(done.status).toBeLessThan(300);
    const health = await vaultCall(sealed.vaultPort, 'GET', 'sys/health');
    expect([health.status, health.body.sealed]).toEqual([503, true]);
    const read = await vaultCall(sealed.vaultPort, 'GET', 'secret/data/b', { token });
    expect(read.status).toBe(503);
    expect(read.body).toHaveProperty('errors');
    await sealed.stop();
  });

  it('counts both listeners as one caller', async () => {
    const limited = await RunningApi.start({
      vaultApi: { mounts: MOUNTS },
      limits: { denialRate: { perSecond: 0.1, burst: 2 } },
    });
    await limited.seed();
    const token = await limited.logIn({ namespace: 'strangers' });
    await limited.call('GET', '/api/v1/secrets/app/b', { token });
    await vaultCall(limited.vaultPort, 'GET', 'secret/data/b', { token });
    const third = await vaultCall(limited.vaultPort, 'GET', 'secret/data/b', { token });
    expect(third.status).toBe(429);
    expect((await limited.call('GET', '/api/v1/secrets/app/b', { token })).status).toBe(429);
    await limited.stop();
  });
});
