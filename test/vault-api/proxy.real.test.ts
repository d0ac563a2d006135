import { connect } from 'node:net';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { RunningApi } from '../kit/api/running-api.ts';
import { vaultCall } from '../kit/api/vault-call.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { until } from '../kit/backends/until.ts';
import { Nginx, type Judged } from '../kit/network/nginx.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

const DENIED = 'value-of-the-denied-secret';
const OPEN = 'value-of-the-open-secret';
const WRITTEN = [
  ['denied/x', DENIED],
  ['open/y', OPEN],
] as const;
const MOUNTS = { secret: { engine: 'kv-v2', prefix: 'app' } };

/** Rules that a team writes: no path below `denied`, and no list. */
const RULES = [
  'location ~ ^/v1/secret/[a-z-]+/denied(/|$) { return 403; }',
  'if ($request_method = LIST) { return 403; }',
  'if ($arg_list) { return 403; }',
];
/** The same rule on the bytes of the target, as proxies have it that decode nothing. */
const RAW_RULE = 'if ($request_uri ~ "^/v1/secret/[a-z-]+/denied(/|\\?|$)") { return 403; }';
/** Passes on the target as the client wrote it, or as the proxy understood it. */
const AS_WRITTEN = 'location / { proxy_pass http://backend; }';
const AS_UNDERSTOOD = 'location /v1/ { proxy_pass http://backend/v1/; }';
const SERVERS = [
  { lines: [...RULES, AS_WRITTEN] },
  { lines: [...RULES, AS_UNDERSTOOD] },
  { lines: ['merge_slashes off;', ...RULES, AS_WRITTEN] },
  { lines: ['merge_slashes off;', RAW_RULE, ...RULES.slice(1), AS_WRITTEN] },
  { lines: [AS_WRITTEN] },
];

/** Spellings of the denied path, and of paths that one reader could take for it. */
const TARGETS = [
  'secret/data/denied/x',
  'secret//data/denied/x',
  'secret/data//denied/x',
  'secret/data/denied//x',
  '/secret/data/denied/x',
  'secret/data/%64enied/x',
  'secret/data/d%65nied/x',
  'secret/data/%2564enied/x',
  'secret/d%61ta/denied/x',
  '%73ecret/data/denied/x',
  'secret/data%2Fdenied/x',
  'secret/data/denied%2Fx',
  'secret%2fdata%2fdenied%2fx',
  'secret/data/denied%5Cx',
  'secret/data/denied\\x',
  'secret/data/./denied/x',
  'secret/data/%2e/denied/x',
  'secret/data/open/../denied/x',
  'secret/data/open/%2e%2e/denied/x',
  'secret/data/denied/../open/y',
  'secret/data/denied/%2e%2e/open/y',
  'secret/data/open%2F..%2Fdenied/x',
  '../v1/secret/data/denied/x',
  'sys/../secret/data/denied/x',
  'secret/data/denied/x/',
  'secret/data/denied/x/.',
  'secret/data/denied/x%00',
  'secret/data/denied/x%20',
  'secret/data/denied/x;a=b',
  'secret/data/denied;a=b/x',
  'secret/data/denied/x?version=1',
  'secret/data/denied/x?',
  'secret/data/denied/x#y',
  'secret/data/open/y#/../../denied/x',
  'secret/data/open/y?/../../denied/x',
  'secret/data/open/y%3F/../../denied/x',
  'secret/data/Denied/x',
  'secret/DATA/denied/x',
  'secret/metadata/denied/x',
  'secret/metadata/denied?list=true',
  'secret/metadata?list=true',
  'secret/metadata?list=true&list=false',
  'secret/metadata?LIST=true',
  'secret/metadata?l%69st=true',
  'secret/metadata?list=tru%65',
  'secret/metadata?x=;list=true',
];

let api: RunningApi;
let session: string;

beforeAll(async () => {
  api = await RunningApi.start({ vaultApi: { mounts: MOUNTS } });
  await api.seed();
  session = await api.logIn();
  for (const [path, k] of WRITTEN) {
    const written = { token: session, body: { data: { k } } };
    expect((await vaultCall(api.vaultPort, 'PUT', `secret/data/${path}`, written)).status).toBe(
      200,
    );
  }
});

afterAll(() => api.stop());

function head(method: string, target: string, ...more: readonly string[]): string {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: b', `X-Vault-Token: ${session}`, ...more];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

const get = (path: string, ...more: readonly string[]): string =>
  head('GET', `/v1/${path}`, ...more);
const HIDDEN = (): string => get('secret/data/denied/x');

/** Requests whose end two parsers could see at different places. Each hides a read of the denied secret. */
function ambiguous(): readonly string[] {
  const hidden = HIDDEN();
  const size = `Content-Length: ${hidden.length}`;
  const put = (...more: readonly string[]): string =>
    head('PUT', '/v1/secret/data/open/z', ...more);
  return [
    ...[
      'Transfer-Encoding: chunked',
      'Transfer-Encoding : chunked',
      'Transfer-Encoding:\tchunked',
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding: chunked, identity',
      'Transfer-Encoding: identity, chunked',
      'Transfer-Encoding: "chunked"',
      'Transfer-Encoding:\u000bchunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
      'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
      'X: y\nTransfer-Encoding: chunked',
      'X: y\r\n Transfer-Encoding: chunked',
      'Transfer-Encoding:\r\n chunked',
      'Transfer_Encoding: chunked',
    ].flatMap((encoding) => [
      `${put(encoding, size)}0\r\n\r\n${hidden}`,
      `${put(size, encoding)}0\r\n\r\n${hidden}`,
      `${put(encoding)}0\r\n\r\n${hidden}`,
    ]),
    ...[
      '+5',
      '0x5',
      '5, 5',
      '-1',
      '5 5',
      '05',
      ' 5',
      '5\r\nContent-Length: 0',
      '0\r\nContent-Length: 5',
    ].map((length) => `${put(`Content-Length: ${length}`)}{"a":${hidden}`),
    `${put('Content-Length : 2')}{}${hidden}`,
    `${put('X: y\r\n Content-Length: 2')}{}${hidden}`,
    `${put('Content-Length: 0', 'Expect: 100-continue')}${hidden}`,
    `${put(size, 'Connection: Content-Length')}${hidden}`,
    `${put('Transfer-Encoding: chunked')}1;\n\r\n{\r\n0\r\n\r\n${hidden}`,
    `${put('Transfer-Encoding: chunked')}00000000000000002\r\n{}\r\n0\r\nX: y\r\n\r\n${hidden}`,
    `${put('Transfer-Encoding: chunked')}0\n\n${hidden}`,
    `${put('Transfer-Encoding: chunked')}0\r\n${hidden}`,
    ...['GET', 'LIST', 'LINK', 'HEAD', 'OPTIONS', 'DELETE'].flatMap((method) => [
      `${head(method, '/v1/secret/metadata/open', size)}${hidden}`,
      `${head(method, '/v1/secret/metadata/open')}${hidden}`,
      `${head(method, '/v1/secret/metadata/open', 'Transfer-Encoding: chunked')}0\r\n\r\n${hidden}`,
    ]),
    ...[
      'http://other/v1/secret/data/denied/x',
      'http://a:b@b/v1/secret/data/denied/x',
      '*',
      'b:80',
    ].map((target) => head('GET', target)),
    head('CONNECT', 'b:80') + hidden,
    get(
      'secret/data/open/y',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AA',
    ) + hidden,
    ...['X-Original-URL', 'X-Rewrite-URL', 'X-Forwarded-Path'].map((name) =>
      get('secret/data/open/y', `${name}: /v1/secret/data/denied/x`),
    ),
    get('secret/metadata', 'X-HTTP-Method-Override: LIST', 'X-HTTP-Method: LIST'),
    get('secret/data/open/y', 'X-Vault-Token: other'),
    'GET /v1/secret/data/denied/x\r\n\r\n',
    hidden.replaceAll('\r\n', '\n'),
    hidden.replace(' HTTP/1.1', ' HTTP/1.0'),
    hidden.replace(' HTTP/1.1', ' HTTP/1.1 HTTP/1.1'),
    hidden.replace('GET ', 'GET\t'),
    `\r\n\r\n${hidden}`,
    hidden + hidden,
  ];
}

/** Sends packets to a proxy, one after another. @returns all that it answers until it closes, after the client closed its side */
async function exchange(port: number, ...packets: readonly string[]): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, '127.0.0.1');
  socket.setNoDelay(true);
  let received = '';
  socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
  socket.on('error', () => resolve(received));
  socket.on('close', () => resolve(received));
  for (const packet of packets) await new Promise((sent) => socket.write(packet, 'latin1', sent));
  socket.end();
  return promise;
}

describeWith(['nginx'], 'the listener for Vault clients behind nginx', (backends) => {
  let proxy: Nginx;
  let guarded: readonly number[];
  let open: number;

  beforeAll(async () => {
    proxy = await Nginx.start(backends.nginx, api.vaultPort, SERVERS);
    guarded = proxy.ports.slice(0, -1);
    open = proxy.ports.at(-1) ?? 0;
  });

  afterAll(() => proxy.stop());

  /** Compares each request that the broker decided on with what the proxy understood. A request without an id of the proxy was hidden in another one. */
  async function expectSameJudgement(): Promise<number> {
    const entries = await storedEntries(api.broker.parts.store);
    const decided = entries.flatMap(({ path, client }) => {
      const { face, requestId = '' } = (client ?? {}) as { face?: string; requestId?: string };
      return path !== undefined && face === 'vault' ? [{ path, requestId }] : [];
    });
    const through = decided.slice(WRITTEN.length);
    const judged = new Map<string, Judged>();
    await until('the proxy finished each of them', async () => {
      for (const each of await proxy.judged()) judged.set(each.id, each);
      return through.every(({ requestId }) => judged.has(requestId));
    });
    for (const { path, requestId } of through) {
      const uri = judged.get(requestId)?.uri ?? '';
      const named = uri.replace(/^\/v1\/secret\/[a-z]+\/?/, 'app/').replace(/\/$/, '');
      expect([requestId, named]).toEqual([requestId, path]);
    }
    return through.length;
  }

  it('reads through the proxy, also with LIST on connections that served other requests', async () => {
    for (let round = 0; round < 3; round += 1) {
      for (const port of guarded)
        expect(await exchange(port, get('secret/data/open/y'))).toContain(OPEN);
      expect(await exchange(open, HIDDEN())).toContain(DENIED);
      expect(await exchange(open, head('LIST', '/v1/secret/metadata'))).toContain(
        '["denied/","open/"]',
      );
    }
    expect(await expectSameJudgement()).toBe(18);
  });

  it('gives out nothing that the rules of the proxy deny, however its path is written', async () => {
    for (const port of guarded) {
      for (const target of TARGETS) {
        const answered = await exchange(port, get(target));
        expect([target, answered.includes(DENIED), answered.includes('"keys"')]).toEqual([
          target,
          false,
          false,
        ]);
      }
    }
    await expectSameJudgement();
  });

  it('runs no request that the proxy did not see (HS01)', async () => {
    for (const port of guarded) {
      for (const text of ambiguous()) {
        for (const at of [text.length, 2, text.length - HIDDEN().length - 1]) {
          const answered = await exchange(port, text.slice(0, at), text.slice(at));
          expect([text, answered.includes(DENIED)]).toEqual([text, false]);
        }
      }
    }
    await expectSameJudgement();
  });
});
