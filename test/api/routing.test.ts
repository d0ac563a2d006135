import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { createExpressApp, listenerOf, refuseErrors } from '../../src/api/request/express-app.ts';
import { MetricsServer } from '../../src/api/server/metrics-server.ts';
import { smallConsole } from '../kit/console/console-files.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const MOUNTS = {
  secret: { engine: 'kv-v2', prefix: 'app' },
  // Express reserves the plus sign in its patterns.
  'team/o+l.d': { engine: 'kv-v1', prefix: 'app' },
  db: { engine: 'database', prefix: 'app' },
};

let api: RunningApi;
let token: string;
let metrics: MetricsServer;
let metricsPort: number;
beforeAll(async () => {
  api = await RunningApi.start({
    limits: { addressRate: { perSecond: 10_000, burst: 100_000 } },
    console: { files: await smallConsole(), origin: undefined, scheme: 'http', code: undefined },
    vaultApi: { mounts: MOUNTS, auth: { k: { cluster: 'c1' } } },
  });
  await api.seed();
  token = await api.logIn();
  await api.call('PUT', '/api/v1/secrets/app/db', { token, body: { data: { a: 'b' } } });
  metrics = new MetricsServer({
    metrics: testMetrics(),
    readiness: () => {
      if (isReadinessBroken) throw new Error('canary-readiness');
      return { ready: true, reasons: [] };
    },
  });
  ({ port: metricsPort } = await metrics.listen({ host: '127.0.0.1', port: 0 }));
});
afterAll(async () => {
  await metrics.close();
  await api.stop();
});

let isReadinessBroken = false;

/** The bytes of an answer, without those that differ from one request to the next. */
async function bytesOf(
  port: number,
  line: string,
  headers: readonly string[] = [],
): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  socket.on('close', () => resolve(text));
  const host = [`Host: 127.0.0.1:${port}`, 'Connection: close'];
  socket.write(`${[`${line} HTTP/1.1`, ...host, ...headers].join('\r\n')}\r\n\r\n`);
  return (await promise)
    .replaceAll(/req_test[a-z]*_[0-9A-Za-z]+/g, 'REQUEST')
    .replace(/Date: [^\r]+/, 'Date: DATE');
}

const END = [
  'Cache-Control: no-store',
  'X-Content-Type-Options: nosniff',
  'X-Request-Id: REQUEST',
  'Date: DATE',
  'Connection: close',
];

function answer(status: string, headers: readonly string[], body: string): string {
  return [`HTTP/1.1 ${status}`, ...headers, ...END, '', body].join('\r\n');
}

const PROBLEM = 'Content-Type: application/problem+json';
const JSON_TYPE = 'Content-Type: application/json';
const METHOD_BODY =
  '{"type":"urn:quaymaster:error:ERR_METHOD","title":"The method is not allowed here","status":405,"code":"ERR_METHOD","requestId":"REQUEST"}';
const PATH_INVALID = answer(
  '400 Bad Request',
  [PROBLEM, 'Content-Length: 151'],
  '{"type":"urn:quaymaster:error:ERR_PATH_INVALID","title":"The path is not valid","status":400,"code":"ERR_PATH_INVALID","requestId":"REQUEST"}',
);
const REQUEST_INVALID = answer(
  '400 Bad Request',
  [PROBLEM, 'Content-Length: 160'],
  '{"type":"urn:quaymaster:error:ERR_REQUEST_INVALID","title":"The request is not valid","status":400,"code":"ERR_REQUEST_INVALID","requestId":"REQUEST"}',
);
const NOT_FOUND = answer(
  '404 Not Found',
  [PROBLEM, 'Content-Length: 133'],
  '{"type":"urn:quaymaster:error:ERR_NOT_FOUND","title":"Not found","status":404,"code":"ERR_NOT_FOUND","requestId":"REQUEST"}',
);
const DENIED = answer(
  '403 Forbidden',
  [PROBLEM, 'Content-Length: 129'],
  '{"type":"urn:quaymaster:error:ERR_DENIED","title":"Not allowed","status":403,"code":"ERR_DENIED","requestId":"REQUEST"}',
);
const NO_METHOD = answer('405 Method Not Allowed', [PROBLEM, 'Content-Length: 148'], METHOD_BODY);
const ONLY_GET = answer(
  '405 Method Not Allowed',
  [PROBLEM, 'Allow: GET', 'Content-Length: 148'],
  METHOD_BODY,
);
const ONLY_SECRETS = answer(
  '405 Method Not Allowed',
  [PROBLEM, 'Allow: GET, PUT, DELETE', 'Content-Length: 148'],
  METHOD_BODY,
);
const ALIVE = answer('200 OK', [JSON_TYPE, 'Content-Length: 15'], '{"status":"ok"}');

function headOf(text: string): string {
  return text.slice(0, text.indexOf('\r\n\r\n') + 4);
}

const LONG = `/${'a'.repeat(5_000)}`;

describe('the API', () => {
  it.each([
    ['GET /%', PATH_INVALID],
    ['GET /%zz', PATH_INVALID],
    ['GET /%2e%2e/', PATH_INVALID],
    ['GET /api/v1/policies/%zz', PATH_INVALID],
    ['PUT /api/v1/secrets/app/%zz', PATH_INVALID],
    ['GET /api/v1/policies/a%2Fb', PATH_INVALID],
    ['GET //', PATH_INVALID],
    ['GET //healthz', PATH_INVALID],
    ['GET /healthz//', PATH_INVALID],
    ['GET /api//v1/policies', PATH_INVALID],
    ['GET /healthz#x', PATH_INVALID],
    ['GET /healthz/', NOT_FOUND],
    ['GET /Healthz', NOT_FOUND],
    ['GET /__proto__', NOT_FOUND],
    ['GET /api/v1/policies/a:b', NOT_FOUND],
    [`GET ${LONG}`, REQUEST_INVALID],
    [`PUT /api/v1/secrets${LONG}`, REQUEST_INVALID],
    [`GET /api/v1/policies?${LONG}`, REQUEST_INVALID],
    ['GET http://evil', REQUEST_INVALID],
    ['GET http://evil/healthz', REQUEST_INVALID],
    ['HEAD http://evil/healthz', headOf(REQUEST_INVALID)],
    ['DELETE http://evil/api/v1/policies', REQUEST_INVALID],
    ['GET http://evil:99999/x', REQUEST_INVALID],
    ['GET http://[::1/', REQUEST_INVALID],
    ['OPTIONS *', REQUEST_INVALID],
    ['OPTIONS /', ONLY_GET],
    ['OPTIONS /healthz', ONLY_GET],
    ['OPTIONS /api/v1/secrets/app/db', ONLY_SECRETS],
    ['PATCH /api/v1/policies/a', ONLY_SECRETS],
    ['TRACE /', ONLY_GET],
    ['PROPFIND /', ONLY_GET],
    ['HEAD /nothing', headOf(NO_METHOD)],
    ['HEAD /metrics', headOf(ONLY_GET)],
    ['HEAD /api/v1/secrets/app/db', headOf(ONLY_SECRETS)],
    ['HEAD /healthz', headOf(ALIVE)],
    ['GET /healthz', ALIVE],
  ])('answers %s in its own form', async (line, expected) => {
    expect(await bytesOf(api.port, line)).toBe(expected);
  });
});

describe('the console', () => {
  const PAGE = ['Sec-Fetch-Site: same-origin', 'X-Quaymaster-Console: 0123abcd'];
  const BUILD = 'X-Quaymaster-Console-Build: 0123abcd';

  /** The answer to a call of the page: that of the API, with the build in front. */
  const called = (text: string): string => text.replace('\r\n', `\r\n${BUILD}\r\n`);
  const called405 = called(ONLY_GET);
  const inPage = (line: string): Promise<string> =>
    bytesOf(api.port, line, [...PAGE, `Origin: http://127.0.0.1:${api.port}`]);

  it.each([
    ['GET /consolex', NOT_FOUND],
    ['GET /Console/', NOT_FOUND],
    ['GET /console//', PATH_INVALID],
    ['GET /console//x', PATH_INVALID],
    ['GET //console/', PATH_INVALID],
    ['GET /console/%', PATH_INVALID],
    ['GET /console/session#y', PATH_INVALID],
    ['GET /console#y', PATH_INVALID],
    ['GET http://evil/console/', REQUEST_INVALID],
    ['GET http://evil/console/session', REQUEST_INVALID],
    ['GET http://evil/console/call/healthz', REQUEST_INVALID],
    ['OPTIONS /console/', NO_METHOD],
    ['OPTIONS /console/session', NO_METHOD],
    ['PUT /console/session', NO_METHOD],
    ['POST /console/assets/main-X.js', NO_METHOD],
    ['GET /console/call/healthz', DENIED],
    [
      'HEAD /console',
      // The broker closes the connection itself, so Node writes the date last.
      answer('302 Found', ['Location: /console/', 'Content-Length: 0'], '').replace(
        'Date: DATE\r\nConnection: close',
        'Connection: close\r\nDate: DATE',
      ),
    ],
  ])('answers %s in its own form', async (line, expected) => {
    expect(await bytesOf(api.port, line)).toBe(expected);
  });

  it.each([
    ['GET /console/call/healthz', called(ALIVE)],
    ['HEAD /console/call/healthz', headOf(called(ALIVE))],
    ['OPTIONS /console/call/healthz', called405],
    ['PATCH /console/call/api/v1/policies', called405],
    ['GET /console/call/nothing', called(NOT_FOUND)],
    ['GET /console/call/console/session', called(NOT_FOUND)],
    ['GET /console/call/console/call/healthz', called(NOT_FOUND)],
    ['GET /console/call//healthz', called(PATH_INVALID)],
    ['GET /console/call/%zz', called(PATH_INVALID)],
    ['GET /console/call/api/v1/policies#y', called(PATH_INVALID)],
  ])('takes %s to the API and no further', async (line, expected) => {
    expect(await inPage(line)).toBe(expected);
  });

  it.each(['HEAD /console/session', 'HEAD /console/return'])(
    'answers %s with the page, not with the route of GET',
    async (line) => {
      expect(await bytesOf(api.port, line)).toMatch(
        /^HTTP\/1\.1 200 OK\r\nContent-Type: text\/html; charset=utf-8\r\nContent-Security-Policy: /,
      );
    },
  );
});

describe('the Vault HTTP API', () => {
  const refusal = (status: string, length: number, text: string): string =>
    answer(status, [JSON_TYPE, `Content-Length: ${length}`], `{"errors":[${text}]}`);
  const moved = (location: string): string =>
    [
      'HTTP/1.1 307 Temporary Redirect',
      `Location: ${location}`,
      'Content-Length: 0',
      'Cache-Control: no-store',
      'X-Content-Type-Options: nosniff',
      'X-Request-Id: REQUEST',
      'Connection: close',
      'Date: DATE',
      '\r\n',
    ].join('\r\n');
  const NAMES = refusal(
    '400 Bad Request',
    142,
    '"a path is segments of [A-Za-z0-9._+=@-] joined by slashes; names at this broker have no blanks and no colons (ERR_PATH_INVALID)"',
  );
  const NOT_UTF8 = refusal(
    '400 Bad Request',
    71,
    '"the path is not percent-encoded UTF-8 (ERR_PATH_INVALID)"',
  );
  const HEAD_REFUSED = 'HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n';
  const STRANGER = refusal('403 Forbidden', 32, '"permission denied"');
  const NO_ROUTE = refusal(
    '404 Not Found',
    123,
    '"no handler for this path: no mount of vaultApi.mounts covers it, or the engine of the mount has no such path"',
  );
  const UNSUPPORTED = refusal('405 Method Not Allowed', 49, '"unsupported operation (ERR_METHOD)"');
  const notUsed = (method: string, length: number): string =>
    refusal(
      '405 Method Not Allowed',
      length,
      `"the method ${method} is not used here (ERR_METHOD)"`,
    );

  it.each([
    ['GET /%', NOT_UTF8],
    ['GET /v1/sys/health%zz', NOT_UTF8],
    ['GET /v1/sys/health%20', NAMES],
    ['GET http://evil/v1/sys/health', NAMES],
    ['GET http://evil:99999/x', NAMES],
    ['GET http://[::1/', NAMES],
    ['OPTIONS *', NAMES],
    ['OPTIONS /v1/sys/health', notUsed('OPTIONS', 63)],
    ['TRACE /', notUsed('TRACE', 61)],
    ['LINK /v1/sys/health', notUsed('LINK', 60)],
    [
      `GET ${LONG}`,
      refusal('400 Bad Request', 61, '"The request is not valid (ERR_REQUEST_INVALID)"'),
    ],
    ['GET //', moved('/')],
    ['GET //v1/sys/health', moved('/v1/sys/health')],
    ['GET /v1//sys/health?a=b', moved('/v1/sys/health')],
    ['GET /v1/sys', STRANGER],
    ['GET /v1/sys/health/', STRANGER],
    ['POST /v1/sys/health', STRANGER],
    ['GET /V1/sys/health', STRANGER],
  ])('answers %s in its own form', async (line, expected) => {
    expect(await bytesOf(api.vaultPort, line)).toBe(expected);
  });

  it.each(['HEAD /', 'HEAD /v1/sys/leader', 'HEAD /v1/sys/health/'])('refuses %s', async (line) => {
    expect(await bytesOf(api.vaultPort, line)).toBe(
      [`${HEAD_REFUSED}Content-Length: 54`, ...END, '\r\n'].join('\r\n'),
    );
  });

  it.each([
    ['GET /v1/sys', NO_ROUTE],
    ['GET /v1/auth', NO_ROUTE],
    ['GET /v1/secretx/data/db', NO_ROUTE],
    ['GET /v1/team/o+lxd/db', NO_ROUTE],
    ['GET /v1/team', NO_ROUTE],
    ['GET /v1/secret/config/', NO_ROUTE],
    ['LIST /v1/db/creds', NO_ROUTE],
    ['GET /v1/secret/metadata?list=false', UNSUPPORTED],
    ['GET /v1/team/o+l.d', UNSUPPORTED],
    ['PATCH /v1/team/o+l.d/db', UNSUPPORTED],
    ['DELETE /v1/secret/config', UNSUPPORTED],
    ['PUT /v1/db/creds/x', UNSUPPORTED],
    ['GET /v1/sys/capabilities-self', UNSUPPORTED],
    ['LINK /v1/secret/metadata', notUsed('LINK', 60)],
  ])('answers %s of a workload in its own form', async (line, expected) => {
    expect(await bytesOf(api.vaultPort, line, [`X-Vault-Token: ${token}`])).toBe(expected);
  });

  it.each([
    'GET /v1/secret/data/db',
    'GET /v1/team/o+l.d/db',
    'LIST /v1/secret/metadata',
    'LIST /v1/team/o+l.d/',
    'GET /v1/secret/metadata/?list=true',
    'PUT /v1/auth/token/renew-self',
    'POST /v1/auth/token/renew-self',
    'GET /v1/sys/mounts/secret/tune',
  ])('serves %s', async (line) => {
    expect(await bytesOf(api.vaultPort, line, [`X-Vault-Token: ${token}`])).toMatch(
      /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/json\r\n/,
    );
  });

  it('records the whole path of a refused request', async () => {
    await bytesOf(api.vaultPort, 'DELETE /v1/team/o+l.d/', [`X-Vault-Token: ${token}`]);
    expect((await storedEntries(api.broker.parts.store)).at(-1)).toMatchObject({
      action: 'request.refused',
      client: { face: 'vault', method: 'DELETE', target: '/v1/team/o+l.d/' },
    });
  });
});

describe('the listener of metrics', () => {
  const NOTHING = [
    'HTTP/1.1 404 Not Found',
    'Content-Length: 0',
    'Date: DATE',
    'Connection: close',
    '\r\n',
  ].join('\r\n');
  const alive = [
    'HTTP/1.1 200 OK',
    JSON_TYPE,
    'Content-Length: 15',
    'Cache-Control: no-store',
    'Date: DATE',
    'Connection: close',
    '',
    '{"status":"ok"}',
  ].join('\r\n');

  it.each([
    ['GET /', NOTHING],
    ['GET /%zz', NOTHING],
    ['GET //metrics', NOTHING],
    ['GET /metrics/', NOTHING],
    ['GET /metrics?x', NOTHING],
    ['GET /metrics#x', NOTHING],
    ['GET /Metrics', NOTHING],
    ['POST /metrics', NOTHING],
    ['OPTIONS /metrics', NOTHING],
    ['OPTIONS *', NOTHING],
    ['HEAD /nothing', NOTHING],
    ['TRACE /livez', NOTHING],
    [`GET ${LONG}`, NOTHING],
    ['GET http://evil/metrics', NOTHING],
    ['GET http://[::1/', NOTHING],
    ['GET /livez', alive],
    ['GET /healthz', alive],
    ['HEAD /livez', headOf(alive)],
  ])('answers %s in its own form', async (line, expected) => {
    expect(await bytesOf(metricsPort, line)).toBe(expected);
  });

  it('hides an error behind an empty answer', async () => {
    isReadinessBroken = true;
    expect(await bytesOf(metricsPort, 'GET /readyz')).toBe(
      NOTHING.replace('404 Not Found', '500 Internal Server Error'),
    );
    isReadinessBroken = false;
    expect(await bytesOf(metricsPort, 'GET /readyz')).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  });
});

describe('an error that a handler throws', () => {
  const broken = {
    request: () => {
      throw new Error('canary-trace');
    },
  };
  afterEach(() => {
    Object.assign(api.broker.parts, { trace: undefined });
  });

  it.each([
    [
      'GET /api/v1/policies',
      () => api.port,
      PROBLEM,
      '{"type":"urn:quaymaster:error:ERR_INTERNAL","title":"Internal error","status":500,"code":"ERR_INTERNAL","requestId":"REQUEST"}',
    ],
    [
      'GET /v1/secret/data/db',
      () => api.vaultPort,
      JSON_TYPE,
      '{"errors":["Internal error (ERR_INTERNAL)"]}',
    ],
  ])('is hidden from the sender of %s', async (line, port, type, body) => {
    Object.assign(api.broker.parts, { trace: broken });
    const text = await bytesOf(port(), line, [`X-Vault-Token: ${token}`]);
    expect(text.replace(/Content-Length: \d+/, 'Content-Length: LENGTH')).toBe(
      answer('500 Internal Server Error', [type, 'Content-Length: LENGTH'], body),
    );
    expect(api.logged.join('')).toContain('canary-trace');
  });

  it('cuts the connection if no handler can answer it', async () => {
    const app = createExpressApp();
    app.get('/thrown', () => {
      throw new Error('canary-thrown');
    });
    app.get('/begun', (_request, response) => {
      response.writeHead(200).write('begun');
      throw new Error('canary-begun');
    });
    app.use(
      refuseErrors(() => {
        throw new Error('canary-refusal');
      }),
    );
    const server = createServer(listenerOf(app, (_request, response) => response.end('unparsed')));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    expect(await bytesOf(port, 'GET /thrown')).toBe('');
    expect(await bytesOf(port, 'GET /begun')).not.toContain('canary');
    expect(await bytesOf(port, 'GET /nothing')).toMatch(/unparsed$/);
    server.close();
  });
});
