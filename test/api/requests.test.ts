import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
let bearer: string;
beforeAll(async () => {
  const open = { perSecond: 10_000, burst: 100_000 };
  api = await RunningApi.start({
    limits: { addressRate: open },
    refusals: { entriesPerWindow: 10_000 },
  });
  await api.seed();
  token = await api.logIn();
  bearer = `Authorization: Bearer ${token}`;
  await api.call('PUT', '/api/v1/secrets/app/db', { token, body: { data: { a: 'canary-1' } } });
});
afterAll(() => api.stop());

const raw = (line: string, headers: readonly string[] = [bearer], body = '') =>
  rawHttp(api.port, rawRequest(line, headers, body));

describe('a path', () => {
  it.each([
    '/api/v1/secrets/app/../other/db',
    '/api/v1/secrets/app/./db',
    '/api/v1/secrets/app/..',
    '/api/v1/secrets/../secrets/app/db',
    '/api/v1/secrets//app/db',
    '/api/v1/secrets/app//db',
    '/api/v1//secrets/app/db',
    '//api/v1/secrets/app/db',
    '/api/v1/secrets/app/db/',
    '/api/v1/secrets/',
    '/api/v1/secrets/app%252fdb',
    '/api/v1/secrets/app%2f..%2fdb',
    '/api/v1/secrets/app%2f%2fdb',
    '/api/v1/secrets/app%2fdb%2f',
    '/api/v1/secrets/app/%2e%2e/db',
    '/api/v1/secrets/app/db%00',
    '/api/v1/secrets/app/db%',
    '/api/v1/secrets/app\\db',
    '/api/v1/secrets/app;x/db',
    '/api/v1/secrets/app/db#x',
    '/api/v1/secrets/app:x/db',
    `/api/v1/secrets/${'a/'.repeat(16)}a`,
    `/api/v1/secrets/${'a'.repeat(513)}`,
  ])('%s is refused, never repaired (P01, P03, P08, B02)', async (path) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_PATH_INVALID',
      unechoed: ['app'],
      send: () => raw(`GET ${path} HTTP/1.1`),
    });
  });

  it('may have dots if no segment is a dot segment (P01)', async () => {
    const body = { data: { a: 'b' } };
    for (const path of ['app/...', 'app/..x', 'app/x..', 'app/.x']) {
      await api.call('PUT', `/api/v1/secrets/${path}`, { token, body });
      expect((await raw(`GET /api/v1/secrets/${path} HTTP/1.1`))?.status).toBe(200);
    }
  });

  it.each([
    '/API/v1/secrets/app/db',
    '/api/V1/secrets/app/db',
    '/api/v1/Secrets/app/db',
    '/api/v1/policies/',
    '/api/v1/policies/app/',
    '/api/v1/secrets',
    '/api/v1',
    '/index.html',
    '/v1/secrets/app/db',
    '/healthz/',
    '/Healthz',
    '/api/v1/audit/sinks',
    '/debug',
  ])('%s reaches no other resource (P05)', async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1`, []);
    expect([401, 404]).toContain(answer?.status);
    const { requestId } = JSON.parse(answer?.text ?? '{}') as { requestId: string };
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.filter((entry) => entry.requestId === requestId)).toMatchObject([
      { action: 'request.refused', outcome: 'deny', actor: { kind: 'unauthenticated' } },
    ]);
  });

  it('gets 405 with the allowed methods for another method', async () => {
    const answer = await api.call('DELETE', '/api/v1/policies', { token: api.admin });
    expect(answer).toMatchObject({ status: 405, headers: { allow: 'GET' } });
  });

  it.each(['TRACE', 'CONNECT', 'PROPFIND', 'LIST', 'PATCH', 'OPTIONS', 'LINK'])(
    'is not reached by %s (HS04)',
    async (method) => {
      const line =
        method === 'CONNECT' ? 'CONNECT broker.test:443 HTTP/1.1' : `${method} / HTTP/1.1`;
      const answer = await raw(line);
      const isKnown = !['LIST'].includes(method);
      expect(answer?.status).toBe(isKnown ? 405 : 400);
      expect(answer?.headers['content-type']).toBe('application/problem+json');
      const requestId = answer?.headers['x-request-id'];
      const entries = await storedEntries(api.broker.parts.store);
      expect(entries.filter((entry) => entry.requestId === requestId)).toHaveLength(1);
    },
  );

  it.each(['HTTP/2.0', 'HTTP/3.0'])(
    'is refused with the version %s in its line (HS04)',
    async (version) => {
      const answer = await raw(`GET /healthz ${version}`);
      expect(answer?.status).toBe(400);
    },
  );

  it('ignores a method in a header, a parameter or a body', async () => {
    const answer = await raw('POST /api/v1/secrets/app/db HTTP/1.1', [
      bearer,
      'X-HTTP-Method-Override: GET',
      'Content-Length: 0',
    ]);
    expect(answer?.status).toBe(405);
    expect((await raw('GET /api/v1/secrets/app/db?_method=DELETE HTTP/1.1'))?.status).toBe(400);
    expect((await api.call('GET', '/api/v1/secrets/app/db', { token })).status).toBe(200);
  });
});

describe('a query', () => {
  it.each([
    'version=1&version=2',
    'version[]=1',
    'version[a]=1',
    'version',
    'version=%zz',
    'version=%ff',
    'version=1+2',
    '=1',
    '&',
    '',
    '__proto__=1',
    'unknown=1',
    `version=${'1'.repeat(2_100)}`,
    'a[]=1&'.repeat(300),
  ])('?%s is refused (P16, D09)', async (query) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      send: () => raw(`GET /api/v1/secrets/app/db?${query} HTTP/1.1`),
    });
  });

  it.each(['token', 'access_token'])('is refused with %s and stored nowhere', async (name) => {
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      unechoed: [token],
      send: () => raw(`GET /api/v1/secrets/app/db?${name}=${token} HTTP/1.1`, []),
    });
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      unechoed: [token],
      send: () => raw(`GET /api/v1/secrets/app/db?${name}=${token} HTTP/1.1`),
    });
    await raw(`GET /api/v1/secrets/${token} HTTP/1.1`, []);
    expect(JSON.stringify(entry)).not.toContain(token);
    expect(JSON.stringify(await storedEntries(api.broker.parts.store))).not.toContain(token);
    expect(api.logged.join('')).not.toContain(token);
  });
});

describe('a token', () => {
  it.each([
    ['two spaces', (t: string) => `Authorization: Bearer  ${t}`],
    ['a lower-case scheme', (t: string) => `Authorization: bearer ${t}`],
    ['an upper-case scheme', (t: string) => `Authorization: BEARER ${t}`],
    ['a tab', (t: string) => `Authorization: Bearer\t${t}`],
    ['a list', (t: string) => `Authorization: Bearer ${t}, Bearer ${t}`],
    ['another scheme', (t: string) => `Authorization: Basic ${t}`],
    ['no scheme', (t: string) => `Authorization: ${t}`],
    ['something behind it', (t: string) => `Authorization: Bearer ${t} x`],
    ['quotes', (t: string) => `Authorization: Bearer "${t}"`],
    ['one character less', (t: string) => `Authorization: Bearer ${t.slice(0, -1)}`],
    [
      'another checksum',
      (t: string) => `Authorization: Bearer ${t.slice(0, -1)}${t.endsWith('0') ? '1' : '0'}`,
    ],
    ['an operator prefix', (t: string) => `Authorization: Bearer ${t.replace('qms', 'qmo')}`],
    ['a second header', (t: string) => `Authorization: Bearer ${t}\r\nAuthorization: Bearer ${t}`],
    ['a second empty header', (t: string) => `Authorization: Bearer ${t}\r\nAuthorization:`],
    ['another header', (t: string) => `X-Vault-Token: ${t}`],
    ['a cookie', (t: string) => `Cookie: token=${t}`],
  ])('is refused with %s', async (_what, header) => {
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      unechoed: [token],
      send: () => raw('GET /api/v1/secrets/app/db HTTP/1.1', [header(token)]),
    });
    expect(entry.actor).toEqual({ kind: 'unauthenticated' });
  });

  it('makes the request malformed if it has NUL', async () => {
    const answer = await raw('GET /api/v1/secrets/app/db HTTP/1.1', [`${bearer}\0`]);
    expect(answer?.status).toBe(400);
  });

  it('is requested with the name of the scheme if it is missing', async () => {
    const answer = await raw('GET /api/v1/secrets/app/db HTTP/1.1', []);
    expect(answer?.headers['www-authenticate']).toBe('Bearer');
  });

  it('is refused as a broker token if it is that of a service account (J27)', async () => {
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      send: () =>
        raw('GET /api/v1/secrets/app/db HTTP/1.1', [
          `Authorization: Bearer ${api.serviceAccountToken()}`,
        ]),
    });
  });
});

describe('client-supplied metadata', () => {
  it('changes neither the identity nor the address of the connection (HS05)', async () => {
    const claims = [
      'X-Forwarded-For: 203.0.113.9',
      'X-Remote-User: admin',
      'X-SSL-Client-Cert: x',
      'X-Forwarded-Client-Cert: By=spiffe://x',
    ];
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      send: () => raw('GET /api/v1/policies HTTP/1.1', claims),
    });
    expect(entry.client).toMatchObject({ address: '127.0.0.1' });
    expect(JSON.stringify(entry)).not.toContain('203.0.113.9');
  });

  it('is recorded as a claim: the broker never adopts a request id (A06)', async () => {
    const answer = await raw('GET /api/v1/secrets/app/db HTTP/1.1', [
      bearer,
      'X-Request-Id: req_test_00000001',
      'User-Agent: {"type":"x"}\u00e9',
    ]);
    expect(answer?.headers['x-request-id']).not.toBe('req_test_00000001');
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-1)).toMatchObject({
      requestId: answer?.headers['x-request-id'],
      client: { requestId: 'req_test_00000001', userAgent: '{"type":"x"}\u00e9' },
    });
  });

  it('is cut if it is too long, and joined if it is repeated', async () => {
    await raw('GET /api/v1/secrets/app/db HTTP/1.1', [
      bearer,
      `X-Request-Id: ${'x'.repeat(4_000)}`,
    ]);
    const [long] = (await storedEntries(api.broker.parts.store)).slice(-1);
    expect(long?.client?.['requestId']?.length).toBeLessThan(700);
    await raw('GET /api/v1/secrets/app/db HTTP/1.1', [
      bearer,
      'X-Request-Id: a',
      'X-Request-Id: b',
    ]);
    const [twice] = (await storedEntries(api.broker.parts.store)).slice(-1);
    expect(twice?.client?.['requestId']).toBe('a, b');
  });
});

describe('framing', () => {
  it.each([
    ['two lengths', ['Content-Length: 0', 'Content-Length: 5']],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
    ['a folded length', ['Content-Length:\r\n 5']],
    ['a space before a colon', ['Content-Length : 5']],
    ['two codings', ['Transfer-Encoding: chunked, identity']],
    ['a header without a name', [': x']],
  ])('closes the connection after %s (HS01)', async (_what, headers) => {
    const answer = await raw(
      'POST /api/v1/sessions HTTP/1.1',
      headers,
      '0\r\n\r\nGET / HTTP/1.1\r\n\r\n',
    );
    expect(answer?.status).toBe(400);
    expect(answer?.headers).toMatchObject({
      connection: 'close',
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
    });
    expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'ERR_REQUEST_INVALID' });
    const requestId = answer?.headers['x-request-id'];
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.filter((entry) => entry.requestId === requestId)).toMatchObject([
      { action: 'request.refused', reason: 'framing', client: { address: '127.0.0.1' } },
    ]);
  });

  it.each([
    ['no host', 'GET /healthz HTTP/1.1\r\n\r\n'],
    ['bare line feeds', 'GET /healthz HTTP/1.1\nHost: x\n\n'],
    ['a carriage return alone', 'GET /healthz HTTP/1.1\r\nHost: x\r\n\rX: y\r\n\r\n'],
    ['an escape in a header', 'GET /healthz HTTP/1.1\r\nHost: x\r\nA: \u001b[2J\r\n\r\n'],
    [
      'letters beyond ASCII in its target',
      'GET /api/v1/secrets/app/d\u00fc HTTP/1.1\r\nHost: x\r\n\r\n',
    ],
    ['garbage', '\x16\x03\x01\x02\x00\x01\x00'],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('answers %s with 400 or a closed connection (HS01)', async (_what, request) => {
    const answer = await rawHttp(api.port, request);
    expect([400, undefined]).toContain(answer?.status);
    expect((await api.call('GET', '/healthz')).status).toBe(200);
  });

  it('refuses two hosts (HS03)', async () => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      reason: 'two_hosts',
      unechoed: ['evil'],
      send: () => raw('GET /api/v1/secrets/app/db HTTP/1.1', ['Host: evil', bearer]),
    });
  });

  it('refuses an absolute target (HS03)', async () => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      reason: 'absolute_form',
      unechoed: ['evil'],
      send: () => raw('GET http://evil/api/v1/secrets/app/db HTTP/1.1'),
    });
  });

  it.each(['__proto__: x', 'constructor: x', 'toString: x', 'hasOwnProperty: x'])(
    'handles a request with a header %s like any other (D03)',
    async (header) => {
      const answer = await raw('GET /api/v1/secrets/app/db HTTP/1.1', [header, bearer]);
      expect(answer?.status).toBe(200);
    },
  );

  it.each([100, 148, 160, 900])('refuses %i extra headers and does not cut them', async (count) => {
    const many = Array.from({ length: count }, () => 'a: b');
    const answer = await raw('GET /api/v1/secrets/app/db HTTP/1.1', [...many, bearer]);
    expect(answer?.status).toBe(431);
    expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'ERR_HEADERS_TOO_LARGE' });
  });

  it('refuses a header of 20 KiB', async () => {
    const answer = await raw('GET / HTTP/1.1', [`a: ${'x'.repeat(20_000)}`]);
    expect(answer?.status).toBe(431);
  });

  it('answers 64 pipelined requests in order, and refuses more (D13)', async () => {
    const one = `GET /api/v1/secrets/app/db HTTP/1.1\r\nHost: x\r\n${bearer}\r\n\r\n`;
    const socket = connect(api.port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const closed = new Promise((resolve) => socket.on('close', resolve));
    socket.end(one.repeat(200));
    await closed;
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    expect(statuses.length).toBe(200);
    expect(statuses.slice(0, 64).every((status) => status === '200')).toBe(true);
    expect(statuses.every((status) => status === '200' || status === '429')).toBe(true);
  });
});

describe('an invalid request', () => {
  it('is refused with one entry: unknown routes, methods and malformed bodies (A05)', async () => {
    const sent = [
      await api.call('GET', '/api/v1/nothing'),
      await api.call('PATCH', '/api/v1/policies'),
      await api.call('POST', '/api/v1/sessions', {
        body: '{',
        headers: { 'Content-Type': 'application/json' },
      }),
      await api.call('POST', '/api/v1/sessions', {
        body: 'x',
        headers: { 'Content-Type': 'text/plain' },
      }),
      await api.call('POST', '/api/v1/sessions', { body: { token: 'x'.repeat(20_000) } }),
    ];
    expect(sent.map(({ status }) => status)).toEqual([404, 405, 400, 415, 413]);
    const entries = await storedEntries(api.broker.parts.store);
    for (const { headers } of sent) {
      const own = entries.filter(({ requestId }) => requestId === headers['x-request-id']);
      expect(own).toMatchObject([{ action: 'request.refused', outcome: 'deny' }]);
    }
  });

  it('is recorded even if the upload breaks off (A05)', async () => {
    const before = (await storedEntries(api.broker.parts.store)).length;
    const socket = connect(api.port, '127.0.0.1');
    const head = 'POST /api/v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json';
    socket.end(`${head}\r\nContent-Length: 100\r\n\r\n{"clu`);
    for (;;) {
      const entries = await storedEntries(api.broker.parts.store);
      if (entries.length > before) {
        expect(entries.at(-1)).toMatchObject({
          action: 'request.refused',
          reason: 'aborted_upload',
        });
        break;
      }
      await sleep(10);
    }
  });
});
