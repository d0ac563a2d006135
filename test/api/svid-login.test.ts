import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CertificateAuthority, type CertificateRequest } from '../kit/certificates.ts';
import { RunningApi } from '../kit/parts.ts';
import { storedEntries } from '../kit/store-diff.ts';

const HOST = '127.0.0.1';
const SHOP = 'spiffe://example.org/ns/prod/shop';
const DIGITAL_SIGNATURE = 0x80;
const CLIENT_USE = '2b06010505070302';
const SERVER_USE = '2b06010505070301';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

let directory: string;
let server: CertificateAuthority;
let domain: CertificateAuthority;
let other: CertificateAuthority;
let api: RunningApi;

const at = (name: string): string => join(directory, name);

async function start(listener: Record<string, unknown> = {}): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), 'quaymaster-svid-'));
  server = new CertificateAuthority('server');
  domain = new CertificateAuthority('example.org');
  other = new CertificateAuthority('other.org');
  const { cert, key } = server.issue({ commonName: 'broker', ipAddresses: [HOST] });
  const files = { 'cert.pem': cert, 'key.pem': key, 'bundle.pem': domain.cert };
  for (const [name, content] of Object.entries(files)) await writeFile(at(name), content);
  // The listener verifies certificates of both trust domains; each cluster trusts one.
  await writeFile(at('clients.pem'), `${domain.cert}${other.cert}`);
  const { tls, ...more } = listener;
  api = await RunningApi.start({
    listener: {
      ...more,
      tls: {
        certificateFile: at('cert.pem'),
        keyFile: at('key.pem'),
        clientCaFile: at('clients.pem'),
        clientAuth: 'optional',
        ...(tls as object | undefined),
      },
    },
    connections: {
      spire: { type: 'spiffe', trustDomain: 'example.org', bundleFile: at('bundle.pem') },
    },
  });
  await put('clusters/mesh', {
    type: 'spiffe',
    connection: 'spire',
    issuer: 'spiffe://example.org',
  });
  await put('mounts/app', { prefix: 'app', connection: 'embedded' });
  await put('policies/shop', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'shop' },
    spec: {
      subjects: [{ clusters: ['mesh'], identities: ['ns/prod/shop'] }],
      rules: [{ name: 'read', effect: 'allow', paths: ['app/**'], capabilities: ['read'] }],
    },
  });
  await put('secrets/app/db', { data: { password: 's3cret' } });
}

beforeEach(() => start());
afterEach(async () => {
  await api.stop();
  await rm(directory, { recursive: true });
});

async function put(path: string, body: object): Promise<void> {
  const headers = { 'if-none-match': '*' };
  const answer = await call('PUT', `/${path}`, { token: api.admin, body, headers });
  if (answer.status !== 201) throw new Error(`${path}: ${JSON.stringify(answer)}`);
}

interface Asked {
  readonly token?: string;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
  readonly own?: { readonly cert: string; readonly key: string };
}

async function call(method: string, path: string, asked: Asked = {}): Promise<Answer> {
  const { token, body, headers: more, own } = asked;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const headers = {
    ...more,
    ...(token !== undefined && { authorization: `Bearer ${token}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  };
  const agent = new Agent({ ca: server.cert, ...own });
  const url = `https://${HOST}:${api.port}/api/v1${path}`;
  const sent = request(url, { agent, method, headers }, (response) => {
    text(response).then((received) => {
      const parsed = (received === '' ? {} : JSON.parse(received)) as Record<string, unknown>;
      resolve({ status: response.statusCode ?? 0, body: parsed });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}

/** A correct SVID of the shop, changed. */
function svid(change: Partial<CertificateRequest> = {}): { cert: string; key: string } {
  const base = { commonName: 'shop', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE };
  return domain.issue({ ...base, ...change });
}

async function logIn(own?: Asked['own'], more: Asked = {}): Promise<Answer> {
  return call('POST', '/sessions', {
    body: { cluster: 'mesh' },
    ...more,
    ...(own && { own }),
  });
}

async function lastReason(): Promise<unknown> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.findLast(({ action }) => action === 'session.create')?.['reason'];
}

describe('a login with an X.509-SVID', () => {
  it('opens a session of the identity in the certificate, which ends with it', async () => {
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 600_000);
    const own = svid({ notAfter, extendedKeyUsage: [SERVER_USE, CLIENT_USE] });
    const { status, body } = await logIn(own);
    expect(status).toBe(201);
    expect(body['session']).toMatchObject({
      workload: { id: 'ci://mesh/ns/prod/shop', identity: ['ns', 'prod', 'shop'] },
      endsAt: notAfter.toISOString(),
    });
    const token = String(body['token']);
    const read = await call('GET', '/secrets/app/db', { token });
    expect(read).toMatchObject({ status: 200, body: { data: { password: 's3cret' } } });
    const renewed = await call('POST', '/sessions/self/renew', { token, body: {}, own });
    expect(renewed.status).toBe(200);
    const denied = await call('POST', '/sessions/self/renew', { token, body: {} });
    expect(denied).toMatchObject({ status: 401, body: { code: 'ERR_TOKEN_INVALID' } });
  });

  it.each<[string, Partial<CertificateRequest>, string]>([
    ['two URIs', { uris: [SHOP, 'spiffe://example.org/other'] }, 'identity_invalid'],
    ['no URI', { uris: [], dnsNames: ['shop'] }, 'identity_invalid'],
    ['another trust domain', { uris: ['spiffe://other.org/ns/prod/shop'] }, 'iss_mismatch'],
    ['a path with dots', { uris: ['spiffe://example.org/ns/../shop'] }, 'identity_invalid'],
    ['a trailing slash', { uris: [`${SHOP}/`] }, 'identity_invalid'],
    ['an encoded slash', { uris: ['spiffe://example.org/ns%2fprod/shop'] }, 'identity_invalid'],
    ['a trust domain only', { uris: ['spiffe://example.org'] }, 'identity_invalid'],
    ['another scheme', { uris: ['https://example.org/ns/prod/shop'] }, 'identity_invalid'],
    ['a query', { uris: [`${SHOP}?a`] }, 'identity_invalid'],
    ['no key usage', { keyUsage: undefined } as never, 'certificate_usage'],
    ['a key usage without signatures', { keyUsage: 0x20 }, 'certificate_missing'],
    ['a use for signing certificates', { keyUsage: 0x84 }, 'certificate_of_authority'],
    ['the rights of an authority', { isAuthority: true }, 'certificate_of_authority'],
    // OpenSSL refuses some, so that the connection has no proven certificate.
    ['an expired certificate', { notAfter: new Date(Date.now() - 1_000) }, 'certificate_missing'],
    ['another extended use', { extendedKeyUsage: [SERVER_USE] }, 'certificate_missing'],
  ])('is refused with %s', async (_what, change, reason) => {
    const { status, body } = await logIn(svid(change));
    expect({ status, code: body['code'] }).toEqual({ status: 401, code: 'ERR_TOKEN_INVALID' });
    expect(await lastReason()).toBe(reason);
  });

  it('is refused if an authority of another trust domain signed the certificate', async () => {
    const own = other.issue({ commonName: 'x', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE });
    expect((await logIn(own)).status).toBe(401);
    expect(await lastReason()).toBe('key_not_trusted');
  });

  it('is refused if no authority of the listener signed the certificate', async () => {
    const unknown = new CertificateAuthority('unknown');
    const own = unknown.issue({ commonName: 'x', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE });
    expect((await logIn(own)).status).toBe(401);
    expect(await lastReason()).toBe('certificate_missing');
  });

  it('is refused without a certificate, whatever headers and body name one (HS05)', async () => {
    const { cert } = svid();
    const headers = {
      'x-ssl-client-cert': encodeURIComponent(cert),
      'x-forwarded-client-cert': `URI=${SHOP}`,
      'x-ssl-client-verify': 'SUCCESS',
    };
    expect((await logIn(undefined, { headers })).status).toBe(401);
    expect(await lastReason()).toBe('certificate_missing');
    const body = { cluster: 'mesh', token: cert };
    expect((await call('POST', '/sessions', { body })).status).toBe(401);
    expect(await lastReason()).toBe('certificate_missing');
  });

  it('trusts the authorities that the bundle has now', async () => {
    expect((await logIn(svid())).status).toBe(201);
    await writeFile(at('bundle.pem'), other.cert);
    expect((await logIn(svid())).status).toBe(401);
    expect(await lastReason()).toBe('key_not_trusted');
  });

  it('proves nothing on a resumed connection, and the listener resumes none', async () => {
    const own = svid();
    const options: ConnectionOptions = { host: HOST, port: api.port, ca: server.cert, ...own };
    const first = connect(options);
    const sessions: Buffer[] = [];
    first.on('session', (session: Buffer) => sessions.push(session));
    await exchange(first);
    for (const session of sessions) {
      const second = connect({ ...options, session });
      const isReused = once(second, 'secureConnect').then(() => second.isSessionReused());
      await exchange(second);
      expect(await isReused).toBe(false);
    }
  });
});

/** One request on a connection, so that everything the server sends after the handshake has arrived. */
async function exchange(socket: TLSSocket): Promise<void> {
  socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  await text(socket);
}

describe('a listener behind a proxy', () => {
  it('gives no client the identity of the proxy', async () => {
    await api.stop();
    await rm(directory, { recursive: true });
    await start({ trustedProxies: ['127.0.0.0/8'] });
    expect((await logIn(svid())).status).toBe(401);
    expect(await lastReason()).toBe('certificate_missing');
  });
});

describe('a listener with clientAuth required', () => {
  it('answers only clients with a certificate of its authorities', async () => {
    await api.stop();
    await rm(directory, { recursive: true });
    // Without a certificate, the seeding itself is refused.
    await expect(start({ tls: { clientAuth: 'required' } })).rejects.toThrow();
    expect(
      (await call('GET', '/operator-tokens/self', { token: api.admin, own: svid() })).status,
    ).toBe(200);
    const unknown = new CertificateAuthority('unknown').issue({ commonName: 'x' });
    await expect(call('GET', '/operator-tokens/self', { own: unknown })).rejects.toThrow();
  });
});
