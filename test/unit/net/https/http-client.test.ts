import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { HttpClient, type HttpRequest } from '../../../../src/net/https/http-client.ts';
import { readBody } from '../../../../src/net/https/read-body.ts';
import { transportError } from '../../../../src/net/https/transport-error.ts';
import { UnusableAnswer } from '../../../../src/net/https/unusable-answer.ts';
import { CertificateAuthority } from '../../../kit/network/certificates.ts';

const authority = new CertificateAuthority();
const closing: (() => void)[] = [];
const never = new AbortController().signal;

afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function listen(server: Server, scheme: 'http' | 'https'): Promise<URL> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return new URL(`${scheme}://127.0.0.1:${port}/`);
}

const plain = (answer: RequestListener): Promise<URL> => listen(createServer(answer), 'http');

function client(options: ConstructorParameters<typeof HttpClient>[0]): HttpClient {
  const opened = new HttpClient(options);
  closing.push(() => opened.close());
  return opened;
}

const get = (url: URL, more: Partial<HttpRequest> = {}): HttpRequest => ({
  method: 'GET',
  url,
  signal: never,
  ...more,
});

describe('HttpClient', () => {
  it('sends the target exactly as given, and the length of a body', async () => {
    const seen: unknown[] = [];
    const url = await plain((request, response) => {
      seen.push(request.url, request.headers['content-length']);
      response.end();
    });
    const http = client({ tls: 'off' });
    await http.open(get(url, { method: 'POST', target: '/a/../%2e%2e/b?x', body: 'é' }));
    expect(seen).toEqual(['/a/../%2e%2e/b?x', '2']);
  });

  it('does not follow a redirect', async () => {
    const targets: unknown[] = [];
    const url = await plain((request, response) => {
      targets.push(request.url);
      response.writeHead(302, { location: '/elsewhere' }).end();
    });
    const response = await client({ tls: 'off' }).open(get(url));
    expect(response.statusCode).toBe(302);
    expect(targets).toEqual(['/']);
  });

  it('refuses a switch to another protocol instead of waiting for ever', async () => {
    const server = createServer();
    server.on('connection', (socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
    });
    const url = await listen(server, 'http');
    const opened = client({ tls: 'off' }).open(get(url));
    await expect(opened).rejects.toEqual(new UnusableAnswer('protocol_switch'));
  });

  it('refuses a certificate of an unknown authority, and one of another host', async () => {
    const certificate = authority.issue({ commonName: 'x', dnsNames: ['other.test'] });
    const server = createTlsServer(certificate, (_request, response) => void response.end());
    const url = await listen(server, 'https');
    await expect(client({ tls: {} }).open(get(url))).rejects.toMatchObject({
      code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    });
    await expect(client({ tls: { ca: authority.cert } }).open(get(url))).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const named = client({ tls: { ca: authority.cert, serverName: 'other.test' } });
    await expect(named.open(get(url))).resolves.toMatchObject({ statusCode: 200 });
  });

  it('sends nothing in the clear unless TLS is off, and nothing over TLS then', async () => {
    let requests = 0;
    const url = await plain((_request, response) => {
      requests += 1;
      response.end();
    });
    await expect(client({ tls: {} }).open(get(url))).rejects.toMatchObject({
      code: 'ERR_INVALID_PROTOCOL',
    });
    const secure = new URL(url.href.replace('http:', 'https:'));
    await expect(client({ tls: 'off' }).open(get(secure))).rejects.toMatchObject({
      code: 'ERR_INVALID_PROTOCOL',
    });
    expect(requests).toBe(0);
  });

  it('is aborted by its signal before and during a request', async () => {
    const url = await plain(() => undefined);
    const http = client({ tls: 'off' });
    await expect(http.open(get(url, { signal: AbortSignal.abort('why') }))).rejects.toBe('why');
    const controller = new AbortController();
    const opened = http.open(get(url, { signal: controller.signal }));
    controller.abort();
    await expect(opened).rejects.toMatchObject({ code: 'ABORT_ERR' });
  });
});

describe('readBody', () => {
  async function read(maxBytes: number, answer: RequestListener): Promise<Buffer> {
    const url = await plain(answer);
    return readBody(await client({ tls: 'off' }).open(get(url)), maxBytes);
  }

  it('reads a body of exactly the limit', async () => {
    const body = await read(4, (_request, response) => void response.end('1234'));
    expect(body.toString()).toBe('1234');
  });

  it.each<[string, RequestListener]>([
    ['announced', (_request, response) => void response.end('12345')],
    [
      'sent without a length',
      (_request, response) => {
        response.write('123');
        response.end('45');
      },
    ],
  ])('refuses a longer body that is %s', async (_how, answer) => {
    await expect(read(4, answer)).rejects.toEqual(new UnusableAnswer('body_too_large'));
  });

  it('refuses a compressed body', async () => {
    const answer: RequestListener = (_request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end('x');
    };
    await expect(read(4, answer)).rejects.toEqual(new UnusableAnswer('content_encoding'));
  });

  it('fails when the body ends before its announced length', async () => {
    const answer: RequestListener = (_request, response) => {
      response.setHeader('content-length', '4');
      response.write('12');
      setImmediate(() => response.destroy());
    };
    await expect(read(4, answer)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('transportError', () => {
  it('names a timeout, an unusable response and an unreachable peer, and keeps no text of the peer', () => {
    const cause = Object.assign(new Error('what the peer sent'), { code: 'ECONNRESET' });
    expect(transportError(cause, never)).toMatchObject({
      code: 'ERR_PROVIDER_UNAVAILABLE',
      cause: new Error('ECONNRESET'),
    });
    expect(transportError(cause, AbortSignal.abort())).toMatchObject({
      code: 'ERR_PROVIDER_TIMEOUT',
    });
    expect(transportError(new UnusableAnswer('body_too_large'), never)).toMatchObject({
      code: 'ERR_PROVIDER_MALFORMED',
      reason: 'body_too_large',
    });
    const known = new BrokerError('ERR_CONFLICT');
    expect(transportError(known, never)).toBe(known);
  });
});
