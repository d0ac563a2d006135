import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { filesBelow, findCanary } from '../kit/checks/find-canary.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';

const CANARY = 'c4nary/+"\u00fc value 7f3a9b';

let api: RunningApi;
let token: string;
const answers: Record<string, string> = {};
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
});
afterAll(() => api.stop());

async function note(
  name: string,
  answer: Promise<{ text: string; headers: object }>,
): Promise<void> {
  const { text, headers } = await answer;
  answers[name] = `${JSON.stringify(headers)}\n${text}`;
}

/** Every operation that touches a value, successful and failed. */
async function useCanary(): Promise<void> {
  const data = { password: CANARY };
  const write = (path: string, body: unknown, headers = {}) =>
    api.call('PUT', `/api/v1/secrets/${path}`, { token, body, headers });
  await note('write', write('app/db', { data }));
  await note('write again', write('app/db', { data }, { 'If-Match': '"1"' }));
  await note('lost write', write('app/db', { data }, { 'If-Match': '"1"' }));
  await note('forbidden write', write('other/db', { data }));
  await note('unknown field', write('app/db', { data, extra: CANARY }));
  await note('wrong type', write('app/db', { data: { password: [CANARY] } }));
  await note(
    'broken JSON',
    api.call('PUT', '/api/v1/secrets/app/db', {
      token,
      body: `{"data":{"password":${JSON.stringify(CANARY)},}}`,
      headers: { 'Content-Type': 'application/json' },
    }),
  );
  await note(
    'broken type',
    api.call('PUT', '/api/v1/secrets/app/db', {
      token,
      body: CANARY,
      headers: { 'Content-Type': 'text/plain' },
    }),
  );
  await note(
    'broken YAML',
    api.call('PUT', '/api/v1/policies/x', {
      token: api.admin,
      body: `a: &x ${JSON.stringify(CANARY)}\nb: *x\n`,
      headers: { 'Content-Type': 'application/yaml', 'If-None-Match': '*' },
    }),
  );
  await note('versions', api.call('GET', '/api/v1/secret-versions/app/db', { token }));
  await note('list', api.call('GET', '/api/v1/secrets?prefix=app', { token }));
  await note('leases', api.call('GET', '/api/v1/leases', { token: api.admin }));
  await note('metrics', api.call('GET', '/metrics', { token: api.admin }));
  await note('ready', api.call('GET', '/readyz'));
}

describe('a secret value', () => {
  it('appears only in answers to callers that may read it (C15)', async () => {
    await useCanary();
    expect(answers['metrics']).toContain('quaymaster_http_requests_total');
    const read = await api.call('GET', '/api/v1/secrets/app/db', { token });
    expect(findCanary(CANARY, { read: read.text })).toEqual(['read']);
    const batch = { token, body: { items: [{ path: 'app/db' }] } };
    expect((await api.call('POST', '/api/v1/secrets:batch', batch)).text).toContain('c4nary');

    expect(findCanary(CANARY, answers)).toEqual([]);
    expect(findCanary(CANARY, { log: api.logged.join('') })).toEqual([]);
    const files = await filesBelow(api.directory);
    expect(Object.keys(files)).toContain(join(api.directory, 'store', 'broker.db-wal'));
    expect(findCanary(CANARY, files)).toEqual([]);
  });

  it('is found by the scanner in those answers', () => {
    const outputs = {
      plain: `x${CANARY}y`,
      none: 'x',
      base64: Buffer.from(CANARY).toString('base64'),
    };
    expect(findCanary(CANARY, outputs)).toEqual(['plain', 'base64']);
  });
});

describe('a token', () => {
  it('appears in no file, log or answer except the answer that issued it (C15)', async () => {
    const presented = api.serviceAccountToken();
    const body = { cluster: 'c1', token: presented };
    const opened = await api.call('POST', '/api/v1/sessions', { body });
    const session = opened.body.token as string;
    await note('use', api.call('GET', '/api/v1/sessions/self', { token: session }));
    await note(
      'renew',
      api.call('POST', '/api/v1/sessions/self/renew', {
        token: session,
        body: { token: presented },
      }),
    );
    const line = `GET /api/v1/secrets/app/db?token=${session} HTTP/1.1`;
    const answer = await rawHttp(api.port, rawRequest(line, [`Authorization: Bearer ${session}`]));
    answers['in a query'] = answer?.text ?? '';
    await api.call('GET', `/api/v1/secrets/${session}`, { token: `${session}x` });
    const files = await filesBelow(api.directory);
    for (const secret of [presented, session, api.admin]) {
      expect(findCanary(secret, { ...answers, ...files, log: api.logged.join('') })).toEqual([]);
    }
  });
});
