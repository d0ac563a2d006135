import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CertificateAuthority, type CertificateRequest } from '../kit/network/certificates.ts';
import { storedEntries } from '../kit/store/store-diff.ts';
import type { Answer } from '../kit/network/json-over-tls.ts';
import { DIGITAL_SIGNATURE, SHOP, SvidApi, type SvidAsked } from '../kit/identity/svid-api.ts';

const HOST = '127.0.0.1';
const CLIENT_USE = '2b06010505070302';
const SERVER_USE = '2b06010505070301';

let broker: SvidApi;

beforeEach(async () => {
  broker = await SvidApi.start();
});
afterEach(() => broker.stop());

const call = (...asked: Parameters<SvidApi['call']>): Promise<Answer> => broker.call(...asked);

async function logIn(own?: SvidAsked['own'], more: SvidAsked = {}): Promise<Answer> {
  return call('POST', '/sessions', {
    body: { cluster: 'mesh' },
    ...more,
    ...(own && { own }),
  });
}

async function lastReason(): Promise<unknown> {
  const entries = await storedEntries(broker.api.broker.parts.store);
  return entries.findLast(({ action }) => action === 'session.create')?.['reason'];
}

describe('a login with an X.509-SVID', () => {
  it('opens a session of the identity in the certificate, which ends with it', async () => {
    const notAfter = new Date(Math.floor(Date.now() / 1000) * 1000 + 600_000);
    const own = broker.svid({ notAfter, extendedKeyUsage: [SERVER_USE, CLIENT_USE] });
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
    const { status, body } = await logIn(broker.svid(change));
    expect({ status, code: body['code'] }).toEqual({ status: 401, code: 'ERR_TOKEN_INVALID' });
    expect(await lastReason()).toBe(reason);
  });

  it('is refused if an authority of another trust domain signed the certificate', async () => {
    const own = broker.other.issue({ commonName: 'x', uris: [SHOP], keyUsage: DIGITAL_SIGNATURE });
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
    const { cert } = broker.svid();
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
    expect((await logIn(broker.svid())).status).toBe(201);
    await writeFile(broker.file('bundle.pem'), broker.other.cert);
    expect((await logIn(broker.svid())).status).toBe(401);
    expect(await lastReason()).toBe('key_not_trusted');
  });

  it('proves nothing on a resumed connection, and the listener resumes none', async () => {
    const own = broker.svid();
    const options: ConnectionOptions = {
      host: HOST,
      port: broker.api.port,
      ca: broker.server.cert,
      ...own,
    };
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
    await broker.stop();
    broker = await SvidApi.start({ trustedProxies: ['127.0.0.0/8'] });
    expect((await logIn(broker.svid())).status).toBe(401);
    expect(await lastReason()).toBe('certificate_missing');
  });
});

describe('a listener with clientAuth required', () => {
  it('answers only clients with a certificate of its authorities', async () => {
    await broker.stop();
    broker = await SvidApi.start({ tls: { clientAuth: 'required' } });
    await expect(call('GET', '/operator-tokens/self')).rejects.toThrow();
    expect(
      (await call('GET', '/operator-tokens/self', { token: broker.api.admin, own: broker.svid() }))
        .status,
    ).toBe(200);
    const unknown = new CertificateAuthority('unknown').issue({ commonName: 'x' });
    await expect(call('GET', '/operator-tokens/self', { own: unknown })).rejects.toThrow();
  });
});
