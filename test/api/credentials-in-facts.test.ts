import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newToken } from '../../src/crypto/random/token.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { listRows } from '../kit/store/table-rows.ts';

let api: RunningApi;
let token: string;
let auditor: string;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
  const roles = ['auditor', 'responder', 'secret-reader', 'secret-editor', 'policy-editor'];
  auditor = await api.operator(
    'aud',
    roles.map((role) => ({ role })),
  );
});
afterAll(() => api.stop());

/** Everything that the broker stores or sends elsewhere about a request. */
async function kept(): Promise<string> {
  const batches = await listRows(api.broker.parts.store, 'audit_batches', { limit: 10_000 });
  const entries = batches.map((batch) => Buffer.from(batch.entries).toString());
  const metrics = await api.call('GET', '/metrics', { token: api.admin });
  expect(metrics.status).toBe(200);
  return [...entries, ...api.logged, metrics.text].join('\n');
}

type Send = (credential: string) => Promise<unknown>;
const get = (path: string, as = () => token, headers: Record<string, string> = {}) =>
  api.call('GET', path, { token: as(), headers });
const put = (path: string, body: unknown) =>
  api.call('PUT', path, { token: auditor, body, headers: { 'If-None-Match': '*' } });
const asAuditor = (): string => auditor;

const FIELDS: readonly (readonly [field: string, send: Send])[] = [
  [
    'the user agent of a denial',
    (text) => get('/api/v1/secrets/other/x', undefined, { 'User-Agent': text }),
  ],
  [
    'the user agent of a success',
    (text) => get('/api/v1/secrets', undefined, { 'User-Agent': text }),
  ],
  [
    'the request id of a success',
    (text) => get('/api/v1/sessions/self', undefined, { 'X-Request-Id': text }),
  ],
  [
    'the request id of a denial',
    (text) => get('/api/v1/secrets/other/x', undefined, { 'X-Request-Id': text }),
  ],
  ['a path that is denied', (text) => get(`/api/v1/secrets/other/${text}`)],
  ['a path that does not exist', (text) => get(`/api/v1/secrets/app/${text}`)],
  ['a path with a query', (text) => get(`/api/v1/secrets/app/${text}?x=1`)],
  ['an unknown route', (text) => get(`/api/v2/${text}/x`)],
  [
    'a path of a batch',
    (text) => {
      const body = {
        items: [{ path: `other/${text}` }, { path: 'app/x', version: text.slice(0, 100) }],
      };
      return api.call('POST', '/api/v1/secrets:batch', { token, body });
    },
  ],
  [
    'the name of a secret to write',
    (text) => put(`/api/v1/secrets/app/${text}`, { data: { a: 'b' } }),
  ],
  ['the name of a definition', (text) => put(`/api/v1/definitions/app/${text}`, {})],
  ['the name of a policy', (text) => put(`/api/v1/policies/${text}`, {})],
  ['a version', (text) => get(`/api/v1/secrets/app/x?version=${encodeURIComponent(text)}`)],
  ['a prefix', (text) => get(`/api/v1/secrets?prefix=app/${text}`)],
  ['a cursor', (text) => get(`/api/v1/secrets?after=${encodeURIComponent(text)}`)],
  ['a lease', (text) => get(`/api/v1/leases/${text}`)],
  [
    'an idempotency key',
    (text) =>
      api.call('POST', '/api/v1/credentials/app/x', {
        token,
        body: {},
        headers: { 'Idempotency-Key': text.slice(0, 128) },
      }),
  ],
  [
    'the comment of a revocation',
    (text) =>
      api.call('POST', '/api/v1/leases:revoke', {
        token: auditor,
        body: { by: 'path', path: 'app/none', comment: `because of ${text}` },
      }),
  ],
  [
    'a search text',
    (text) => get(`/api/v1/audit/entries?requestId=${encodeURIComponent(text)}`, asAuditor),
  ],
  ['a search for a path', (text) => get(`/api/v1/audit/entries?path=app/${text}`, asAuditor)],
  ['a tile', (text) => get(`/api/v1/audit/tile/${text}`, asAuditor)],
];

const jwt = (): string => api.serviceAccountToken();
const encoded = (text: string): string =>
  Buffer.from(text).toString('hex').replaceAll(/../g, '%$&');

describe('a credential that a client sends by mistake', () => {
  it.each(FIELDS)('is stored nowhere when it is %s (A12)', async (_field, send) => {
    for (const credential of [newToken('qms'), newToken('qmo'), jwt()]) {
      const body = credential.slice(12, 40);
      for (const spelling of [credential, credential.replace('_', '%5F')]) await send(spelling);
      const found = (await kept()).split('\n').filter((line) => line.includes(body));
      expect(found).toEqual([]);
    }
  });

  it.each([
    ['percent-encoded', encoded, (text: string) => encoded(text.slice(12, 20))],
    [
      'encoded twice',
      (text: string) => encoded(encoded(text)),
      (text: string) => encoded(encoded(text.slice(12, 20))),
    ],
    [
      'split by blanks',
      (text: string) => text.replaceAll(/.{9}/g, '$& '),
      (text: string) => text.slice(18, 26),
    ],
    [
      'split by quotes',
      (text: string) => text.replaceAll(/.{9}/g, '$&" "'),
      (text: string) => text.slice(18, 26),
    ],
  ] as const)('is stored nowhere when it is %s (A12)', async (_how, spell, secretOf) => {
    const credential = newToken('qms');
    await get('/api/v1/secrets/other/x', undefined, { 'User-Agent': spell(credential) });
    await get('/api/v1/sessions/self', undefined, { 'X-Request-Id': spell(credential) });
    expect(await kept()).not.toContain(secretOf(credential));
  });

  it('is refused as the name of a secret or definition (A12)', async () => {
    const path = `app/${newToken('qmo')}`;
    const written = await put(`/api/v1/secrets/${path}`, { data: { a: 'b' } });
    expect(written.status).toBe(400);
    expect((await put(`/api/v1/definitions/${path}`, {})).status).toBe(400);
    expect(written.text).not.toContain(path);
  });
});
