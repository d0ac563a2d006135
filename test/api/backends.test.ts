import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { FakeApiServer } from '../kit/fakes/fake-api-server.ts';
import { FakeVault, type Fault } from '../kit/fakes/fake-vault.ts';
import { drip, flood, type ServerFault } from '../kit/fakes/server-faults.ts';
import { CertificateAuthority } from '../kit/network/certificates.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { PATIENT } from '../kit/providers/longest-timeout.ts';
import { rawHttp, rawRequest, type RawAnswer } from '../kit/network/raw-http.ts';
import { BoundSession } from '../kit/identity/proof-sender.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import { countRows } from '../kit/store/table-rows.ts';

const LIMITS = { ...PATIENT, failuresToOpen: 100, maxRetries: 0 };
const KV = { engine: 'kv-v2', path: 'secret' };

let directory: string;
let vault: FakeVault;
let other: FakeVault;
let secured: FakeVault;
let kube: FakeApiServer;
let api: RunningApi;
let token: string;

async function vaultConnection(server: FakeVault, more: object = {}): Promise<object> {
  const tokenFile = join(directory, 'vault.token');
  await writeFile(tokenFile, 's.broker\n', { mode: 0o600 });
  const { address } = server;
  const auth = { method: 'token', tokenFile };
  const locators = ['secret/data/**', 'db/creds/**'];
  return { type: 'vault', address, auth, locators, limits: LIMITS, ...more };
}

async function connections(): Promise<Record<string, unknown>> {
  const authority = new CertificateAuthority();
  secured = await FakeVault.start(authority.issue({ commonName: 'a', dnsNames: ['vault.test'] }));
  const caFile = join(directory, 'ca.pem');
  await writeFile(caFile, authority.cert);
  return {
    vault: await vaultConnection(vault),
    other: await vaultConnection(other),
    hasty: await vaultConnection(vault, { limits: { ...LIMITS, timeoutMs: 500 } }),
    right: await vaultConnection(secured, { caFile, serverName: 'vault.test' }),
    wrong: await vaultConnection(secured, { caFile, serverName: 'other.test' }),
    kube: { ...kube.access, locators: ['payments/**', 'kube-system/**'] },
  };
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qm-backends-'));
  vault = await FakeVault.start();
  other = await FakeVault.start();
  kube = await FakeApiServer.start();
  api = await RunningApi.start({ connections: await connections() });
  await api.seed();
  const kv = Object.fromEntries(
    ['vault', 'other', 'hasty', 'right', 'wrong'].map((name) => [name, KV]),
  );
  const mounts = { ...kv, kube: { namespace: 'payments' } };
  for (const [name, options] of Object.entries(mounts))
    await api.put(`mounts/${name}`, { prefix: name, connection: name, options });
  const dynamic = { engine: 'dynamic', path: 'db', root: 'creds', tokenRole: 'creds' };
  await api.put('mounts/db', { prefix: 'db', connection: 'vault', options: dynamic });
  await api.put('definitions/db/app', { class: 'dynamic', leaseTtl: '10m' });
  await api.put('policies/everything', policy('everything', ['**'], ['read', 'list']));
  token = await api.logIn();
});
afterEach(() => {
  vault.fault = undefined;
  vault.credentialAnswer = {};
});
afterAll(async () => {
  await api.stop();
  for (const fake of [vault, other, secured, kube]) await fake.close();
  await rm(directory, { recursive: true });
});

const asked = (): number =>
  [vault, other, secured, kube].reduce((sum, { requests }) => sum + requests.length, 0);
const read = (path: string): Promise<Answered> =>
  api.call('GET', `/api/v1/secrets/${path}`, { token });

function rawRead(target: string): Promise<RawAnswer | undefined> {
  const line = `GET /api/v1/secrets/${target} HTTP/1.1`;
  return rawHttp(api.port, rawRequest(line, [`Authorization: Bearer ${token}`]));
}

function create(path: string, body: object): Promise<Answered> {
  const headers = { 'If-None-Match': '*' };
  return api.call('PUT', `/api/v1/${path}`, { token: api.admin, body, headers });
}

describe('a request to a backend', () => {
  it.each([
    'vault/../../sys/policies/acl/x',
    'vault/%2e%2e/sys',
    'vault/a%2f..%2fb',
    'vault/a%3Fx',
    'vault/a%23x',
    'kube/../../nodes',
    'kube/db%2f..%2fnodes',
    'kube/db%3FfieldSelector=x',
  ])('stays inside the mount with the path %s (B02, B04)', async (target) => {
    const send = (): Promise<RawAnswer | undefined> => rawRead(target);
    await expectDenied(api, { status: 400, code: 'ERR_PATH_INVALID', asked, send });
  });

  it.each(['vault/a?x', 'kube/db?fieldSelector=x', 'vault/a?version=1&list=true'])(
    'stays inside the mount with the query of %s (B02, B04)',
    async (target) => {
      const send = (): Promise<RawAnswer | undefined> => rawRead(target);
      await expectDenied(api, { status: 400, code: 'ERR_REQUEST_INVALID', asked, send });
    },
  );

  it.each([
    ['vault/mapped', { path: 'secret/data/../../sys/policies/acl/x' }],
    ['vault/mapped', { path: 'sys/policies/acl/x' }],
    ['vault/mapped', { path: '/secret/data/a' }],
    ['vault/mapped', { path: 'secret/metadata/a' }],
    ['kube/mapped', { name: '../../nodes' }],
    ['kube/mapped', { name: 'db', namespace: 'kube-system' }],
    ['kube/mapped', { name: 'db', key: '../x' }],
  ])('stays inside the mount with the definition of %s as %j (B02, B04)', async (path, ref) => {
    const send = (): Promise<Answered> => create(`definitions/${path}`, { ref });
    await expectDenied(api, { status: 400, code: 'ERR_BODY_INVALID', asked, send });
  });

  it.each([
    { namespace: 'kube-system' },
    { namespace: '../x' },
    { namespace: 'payments', fieldSelector: 'x' },
  ])('stays inside the mount when the mount has %j (B04)', async (options) => {
    const body = { prefix: 'kube2', connection: 'kube', options };
    const send = (): Promise<Answered> => create('mounts/kube2', body);
    await expectDenied(api, { status: 400, code: 'ERR_BODY_INVALID', asked, send });
  });

  it('encodes each path segment by itself (B02)', async () => {
    const ref = { path: 'secret/data/what?/#1 %2f' };
    expect((await create('definitions/vault/odd', { ref })).status).toBe(201);
    vault.put('secret', 'what?/#1 %2f', { v: 'odd' });
    const { status, body } = await read('vault/odd');
    expect([status, body.data]).toEqual([200, { v: 'odd' }]);
    expect(vault.requests.at(-1)?.target).toBe('/v1/secret/data/what%3F/%231%20%252f');
  });
});

describe('a backend that answers with something other than a secret', () => {
  const byItself =
    (fault: ServerFault): Fault =>
    (_seen, response: ServerResponse) => {
      fault(undefined as never, response);
      return 'handled';
    };
  const sending =
    (type: string, body: string | Buffer, headers = {}): Fault =>
    (_seen, response) => {
      response.writeHead(200, { 'content-type': type, ...headers });
      response.end(body);
      return 'handled';
    };
  const deep = `{"data":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
  const bomb = gzipSync(Buffer.alloc(20_000_000, '0'));

  it.each([
    ['endless', byItself(flood), 502, 'ERR_PROVIDER_MALFORMED'],
    ['byte by byte', byItself(drip), 504, 'ERR_PROVIDER_TIMEOUT'],
    ['a bomb', sending('application/json', bomb, { 'content-encoding': 'gzip' }), 502, undefined],
    ['50,000 brackets', sending('application/json', deep), 502, 'ERR_PROVIDER_MALFORMED'],
    ['a page', sending('text/html', '<html>log in</html>'), 502, 'ERR_PROVIDER_MALFORMED'],
  ])(
    'causes one error and one entry, and no value is released: %s (B06)',
    async (_what, fault, status, code) => {
      vault.fault = fault;
      await expectDenied(api, {
        status,
        code: code ?? 'ERR_PROVIDER_MALFORMED',
        outcome: 'error',
        unechoed: ['log in', '[[', '000000000'],
        send: () => read(code === 'ERR_PROVIDER_TIMEOUT' ? 'hasty/faulty' : 'vault/faulty'),
      });
    },
  );
});

describe('a dynamic credential', () => {
  const order = (key: string): Promise<Answered> =>
    api.call('POST', '/api/v1/credentials/db/app', {
      token,
      body: {},
      headers: { 'Idempotency-Key': key },
    });

  it.each([0, -1, '1h', undefined, null])(
    'is refused when the backend grants it for %j seconds (B07)',
    async (seconds) => {
      vault.credentialAnswer = { lease_duration: seconds };
      const { status, body, headers } = await order(`bad-${String(seconds)}`);
      expect([status, body.code]).toEqual([502, 'ERR_PROVIDER_MALFORMED']);
      expect(headers['cache-control']).toBe('no-store');
      const { store } = api.broker.parts;
      const entries = (await storedEntries(store)).filter(
        ({ requestId }) => requestId === headers['x-request-id'],
      );
      expect(entries).toMatchObject([{ action: 'credential.issue', outcome: 'error' }]);
      expect(await countRows(store, 'leases', { path: 'db/app' })).toBe(0);
      await until('the credential is revoked', async () => {
        const left = await Promise.all(
          (['intended', 'prepared', 'revoking'] as const).map((state) =>
            countRows(store, 'credentials', { state }),
          ),
        );
        return left.every((count) => count === 0);
      });
      expect([vault.leases.size, vault.tokens.size]).toEqual([0, 1]);
    },
  );

  it('gets a lease bounded by the broker when the backend grants 1e18 seconds (B07)', async () => {
    vault.credentialAnswer = { lease_duration: 1e18 };
    const { status, body } = await order('long');
    if (status === 201) {
      const ends = Date.parse((body.lease as { endsAt: string }).endsAt);
      expect(ends).toBeLessThanOrEqual(Date.now() + 600_000);
    } else expect([status, body.code]).toEqual([502, 'ERR_PROVIDER_MALFORMED']);
  });
});

describe('a dynamic credential for a bound session', () => {
  const PATH = '/api/v1/credentials/db/app';

  it('is sealed in every answer, alone and in a batch', async () => {
    vault.credentialAnswer = {};
    const bound = await BoundSession.open(api);
    const order = async (): Promise<unknown> => {
      const headers = { ...bound.headers('POST', PATH), 'Idempotency-Key': 'sealed-1' };
      const answer = await api.call('POST', PATH, { headers, body: {} });
      expect(answer).toMatchObject({
        status: 201,
        headers: { 'content-type': 'application/jose' },
      });
      return (await bound.opened(answer)).body;
    };
    const first = await order();
    expect(first).toMatchObject({ path: 'db/app', data: { username: expect.any(String) } });
    expect(await order()).toEqual(first);
    const items = [{ path: 'db/app', idempotencyKey: 'sealed-1' }];
    const batch = await bound.call('POST', '/api/v1/secrets:batch', { items });
    expect((await bound.opened(batch)).body).toEqual({ items: [first] });
  });

  it('is refused in the clear, and the problem holds no value', async () => {
    vault.credentialAnswer = { lease_duration: 0 };
    const bound = await BoundSession.open(api);
    const headers = { ...bound.headers('POST', PATH), 'Idempotency-Key': 'sealed-2' };
    const answer = await api.call('POST', PATH, { headers, body: {} });
    expect(answer).toMatchObject({ status: 502, body: { code: 'ERR_PROVIDER_MALFORMED' } });
  });
});

describe('two connections', () => {
  it('do not share a login at one server (B08)', async () => {
    secured.put('secret', 'x', { v: 'secured' });
    expect((await read('right/x')).body.data).toEqual({ v: 'secured' });
    for (let n = 0; n < 3; n += 1) {
      await expectDenied(api, {
        status: 503,
        code: 'ERR_PROVIDER_UNAVAILABLE',
        outcome: 'error',
        asked: () => secured.requests.length,
        unechoed: ['secured'],
        send: () => read(`wrong/x-${n}`),
      });
      expect((await read('right/x')).status).toBe(200);
    }
  });

  it('share no cached value and no cached absence (B09)', async () => {
    vault.put('secret', 'same', { v: 'first' });
    vault.put('secret', 'same', { v: 'second' });
    other.put('secret', 'same', { v: 'other' });
    vault.put('secret', 'only', { v: 'here' });
    for (let n = 0; n < 2; n += 1) {
      expect((await read('vault/same')).body.data).toEqual({ v: 'second' });
      expect((await read('other/same')).body.data).toEqual({ v: 'other' });
      expect((await read('vault/same?version=1')).body.data).toEqual({ v: 'first' });
      await expectDenied(api, {
        status: 404,
        code: 'ERR_NOT_FOUND',
        unechoed: ['here'],
        send: () => read('other/only'),
      });
      expect((await read('vault/only')).body.data).toEqual({ v: 'here' });
      expect((await read('other/same?version=2')).status).toBe(404);
    }
  });
});
