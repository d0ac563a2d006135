import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { bearer, BrokerClient } from '../../../src/client/index.ts';
import { startHostileServer, type HostileServer } from '../../kit/fakes/hostile-server.ts';
import { findCanary } from '../../kit/checks/find-canary.ts';
import { CertificateAuthority } from '../../kit/network/certificates.ts';

const TOKEN = 'qms_0123456789abcdefghijABCDEFGHIJ0123456789abcdefghiX';
const VALUE = 'canary-value-of-a-secret';
const READ = { path: { path: 'a/b' } };

let hostile: HostileServer | undefined;
let client: BrokerClient | undefined;
afterEach(async () => {
  client?.close();
  await hostile?.close();
});

const head = (status: string, ...headers: readonly string[]): string =>
  [`HTTP/1.1 ${status}`, ...headers, '', ''].join('\r\n');
const JSON_TYPE = 'Content-Type: application/json';
const PROBLEM_TYPE = 'Content-Type: application/problem+json';
/** The received request, sent back. */
const echo = (type: string): string => {
  const body = JSON.stringify({
    type: 'x',
    title: `Bearer ${TOKEN}`,
    status: 403,
    code: 'ERR_DENIED',
    requestId: TOKEN,
    detail: `\u001b[2J\u202e\u200b\u2028${TOKEN} eyJhbGciOiJub25lIn0.eyJzdWIiOiJ4In0.c2ln`,
    problems: [{ pointer: `/${TOKEN}`, message: TOKEN }],
  });
  return head('403 No', type, `Content-Length: ${Buffer.byteLength(body)}`) + body;
};

/**
 * The error of a read from a server that answers with these bytes and then, if requested, continues for ever or closes
 * the connection.
 */
async function failureAt(
  answer: string,
  more: { readonly then?: string; readonly ends?: boolean; readonly timeoutMs?: number } = {},
): Promise<Error> {
  hostile = await startHostileServer((socket, count) => {
    if (count !== 1) return;
    socket.write(answer);
    if (more.ends === true) socket.end();
    const pour = (): void => {
      while (!socket.destroyed && socket.write(more.then ?? ''))
        if (more.then === undefined) return;
    };
    socket.on('drain', pour);
    if (more.then !== undefined) pour();
  });
  const { timeoutMs = 60_000 } = more;
  client = new BrokerClient({ url: `http://127.0.0.1:${hostile.port}`, tries: 1, timeoutMs });
  const call = client.as(bearer(TOKEN)).call('readSecret', READ);
  return call.then(
    () => new Error('it was taken'),
    (error: unknown) => error as Error,
  );
}

describe('an answer that is not the broker’s', () => {
  const page = `<html>${VALUE}</html>`;
  it.each([
    ['a page', head('200 OK', 'Content-Type: text/html', 'Content-Length: 37') + page, 'not_ours'],
    [
      'a page with the type of JSON',
      head('200 OK', JSON_TYPE, 'Content-Length: 37') + page,
      'not_ours',
    ],
    [
      'a redirect',
      head('302 Found', 'Location: http://127.0.0.1:9/', 'Content-Length: 0'),
      'not_ours',
    ],
    [
      'a permanent redirect with a valid body',
      head('308 Permanent Redirect', 'Location: /x', JSON_TYPE, 'Content-Length: 2') + '{}',
      'not_ours',
    ],
    [
      'half of its JSON',
      head('200 OK', JSON_TYPE, 'Content-Length: 90') + `{"a":"${VALUE}`,
      'cut_off',
    ],
    [
      'incomplete JSON',
      head('200 OK', JSON_TYPE, 'Content-Length: 29') + `{"a":"${VALUE}`.slice(0, 29),
      'not_ours',
    ],
    [
      'bytes that are not UTF-8',
      head('200 OK', JSON_TYPE, 'Content-Length: 3') + '"\xff"',
      'not_ours',
    ],
    [
      'compressed',
      head('200 OK', JSON_TYPE, 'Content-Encoding: gzip', 'Content-Length: 2') + '{}',
      'not_ours',
    ],
    ['text that is not HTTP', `SSH-2.0-${VALUE}\r\n\r\n`, 'not_ours'],
    [
      'another protocol',
      head('101 Switching Protocols', 'Connection: Upgrade', 'Upgrade: x') + VALUE,
      'not_ours',
    ],
    ['an invalid problem', head('403 No', PROBLEM_TYPE, 'Content-Length: 2') + '{}', 'not_ours'],
    [
      'a problem that is not an object',
      head('403 No', PROBLEM_TYPE, 'Content-Length: 4') + 'null',
      'not_ours',
    ],
    ['nothing', '', 'cut_off'],
  ])('is refused: %s', async (_what, answer, reason) => {
    const failure = await failureAt(answer, { ends: true });
    expect(failure).toMatchObject({ name: 'UnreachableError', reason });
    expect(findCanary(VALUE, { text: inspect(failure) })).toEqual([]);
    expect(findCanary(TOKEN, { text: inspect(failure) })).toEqual([]);
  });

  it('is cut off at 32 MiB, whatever its Content-Length is', async () => {
    const then = 'x'.repeat(1 << 20);
    for (const length of ['Content-Length: 1073741824', 'Connection: close']) {
      const failure = await failureAt(head('200 OK', JSON_TYPE, length), { then });
      expect(failure).toMatchObject({ reason: 'too_large' });
      await hostile?.close();
    }
  });

  it.each([
    ['before its head', ''],
    ['within its head', 'HTTP/1.1 200 OK\r\nX-'],
    ['within its body', head('200 OK', JSON_TYPE, 'Content-Length: 100') + '{"a"'],
  ])(
    'is waited for no longer than the time-out of an attempt: it stops %s',
    async (_where, answer) => {
      const failure = await failureAt(answer, { timeoutMs: 200 });
      expect(failure).toMatchObject({ reason: 'timeout' });
    },
  );

  it("has no token in the error, even if it sends the client's token back", async () => {
    for (const type of [PROBLEM_TYPE, JSON_TYPE, 'Content-Type: text/html']) {
      const failure = await failureAt(echo(type));
      const text = inspect(failure, { depth: 10 });
      expect(findCanary(TOKEN, { text })).toEqual([]);
      expect(text.includes('eyJ')).toBe(false);
      expect(failure.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      await hostile?.close();
    }
  });

  it('is requested without an offer to compress it, and with the token in its header only', async () => {
    await failureAt(echo(JSON_TYPE));
    const sent = hostile?.received().toString() ?? '';
    expect(sent).toMatch(/^GET \/api\/v1\/secrets\/a\/b HTTP\/1\.1\r\n/);
    expect(sent).not.toMatch(/accept-encoding/i);
    expect(sent.split(TOKEN)).toHaveLength(2);
  });
});

describe('the peer of a TLS connection', () => {
  const authority = new CertificateAuthority();
  const own = { ...authority.issue({ commonName: 'b', ipAddresses: ['127.0.0.1'] }) };
  const other = new CertificateAuthority('another authority');

  async function failureOver(options: TlsOptions, ca: string, timeoutMs = 60_000): Promise<Error> {
    const server = createTlsServer(options, (socket) => socket.on('error', () => undefined));
    const { promise, resolve } = Promise.withResolvers<undefined>();
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1', () => resolve(undefined));
    await promise;
    const { port } = server.address() as AddressInfo;
    const call = new BrokerClient({
      url: `https://127.0.0.1:${port}`,
      ca,
      tries: 1,
      timeoutMs,
    })
      .as(bearer(TOKEN))
      .call('readSecret', READ);
    const failure = await call.then(
      () => new Error('it was taken'),
      (error: unknown) => error as Error,
    );
    server.close();
    return failure;
  }

  it.each([
    ['a certificate of another authority', own, other.cert],
    [
      'a certificate for another name',
      authority.issue({ commonName: 'b', dnsNames: ['other.test'] }),
      authority.cert,
    ],
    ['a certificate without a name', authority.issue({ commonName: '127.0.0.1' }), authority.cert],
    [
      'a certificate that is over',
      authority.issue({
        commonName: 'b',
        ipAddresses: ['127.0.0.1'],
        notBefore: new Date('2020-01-01'),
        notAfter: new Date('2021-01-01'),
      }),
      authority.cert,
    ],
    ['TLS 1.2', { ...own, maxVersion: 'TLSv1.2' as const }, authority.cert],
  ])('is not the broker with %s', async (_what, options, ca) => {
    expect(await failureOver(options, ca)).toMatchObject({ reason: 'tls' });
  });

  it('has the time of a call once it has proved its identity', async () => {
    expect(await failureOver(own, authority.cert, 1_000)).toMatchObject({ reason: 'timeout' });
  });
});

describe('the URL of the broker', () => {
  it.each([
    'http://broker.example',
    'http://10.0.0.7:8200',
    'http://127.0.0.1.example',
    'ftp://127.0.0.1',
    `https://user:${VALUE}@broker.example`,
    'https://broker.example/api/v1',
    'https://broker.example/?x=1',
    'broker.example',
  ])('is refused, and not repeated: %s', (url) => {
    let failure: unknown;
    try {
      new BrokerClient({ url });
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(TypeError);
    expect(String(failure)).not.toContain(VALUE);
  });

  it.each([
    'https://broker.example:8200',
    'http://localhost:1',
    'http://127.1.2.3',
    'http://[::1]:8200/',
  ])('is accepted as %s', (url) => {
    expect(() => new BrokerClient({ url })).not.toThrow();
  });

  it('is accepted as plain HTTP if its network encrypts', () => {
    expect(() => new BrokerClient({ url: 'http://broker.ns', allowPlaintext: true })).not.toThrow();
  });
});

describe('an argument of a call', () => {
  it.each(['../operators/x', 'a/../b', 'a//b', '/a', 'a?b', 'a#b', 'a%2fb', 'a b', 'a\r\nb', ''])(
    'is not a path that names another operation: %j',
    async (path) => {
      client = new BrokerClient({ url: 'http://127.0.0.1:9', tries: 1 });
      await expect(client.call('readSecret', { path: { path } })).rejects.toThrow(TypeError);
    },
  );

  it.each(['a/b', 'a:b', '..'])('is not a name with more in it: %j', async (name) => {
    client = new BrokerClient({ url: 'http://127.0.0.1:9', tries: 1 });
    await expect(client.call('readPolicy', { path: { name } })).rejects.toThrow(TypeError);
  });

  it.each(['', 'a\n', 'a b', 'ü'])('is not a token that a header cannot hold: %j', (token) => {
    expect(() => bearer(token)).toThrow(TypeError);
  });
});
