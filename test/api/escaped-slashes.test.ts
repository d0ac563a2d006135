import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { BoundSession, jtiOf } from '../kit/identity/proof-sender.ts';
import { rawHttp, rawRequest } from '../kit/network/raw-http.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

/** A path with `/` written in one of its spellings. */
type Spelling = (path: string) => string;

const SPELLINGS: readonly (readonly [string, Spelling])[] = [
  ['%2F', (path) => path.replaceAll('/', '%2F')],
  ['%2f', (path) => path.replaceAll('/', '%2f')],
  ['%2F and a slash', (path) => path.replace('/', '%2F')],
];
const PLAIN: Spelling = (path) => path;

/** Sends requests to each operation whose path has several segments, as a workload and as an admin, and returns what they answered. */
async function history(api: RunningApi, spell: Spelling): Promise<readonly object[]> {
  const workload = await api.logIn();
  const answers: object[] = [];
  const send = async (token: string, line: string, body?: object, headers = {}): Promise<void> => {
    const [method = '', target = ''] = line.split(' ');
    const [, beginning = '', path = '', rest = ''] =
      /^(\/api\/v1\/[a-z-]+\/)([a-z0-9/]+)(.*)$/.exec(target) ?? [];
    const answer = await api.call(method, beginning + spell(path) + rest, {
      token,
      headers,
      ...(body && { body }),
    });
    answers.push(comparable(line, answer));
  };
  const create = { 'If-None-Match': '*' };
  for (const path of ['app/deep/db', 'app/hidden/db', 'app/hidden', 'other/x/y']) {
    for (const token of [api.admin, workload]) {
      await send(token, `PUT /api/v1/secrets/${path}`, { data: { password: 'a' } });
      await send(token, `PUT /api/v1/secrets/${path}`, { data: { password: 'a' } }, create);
      await send(token, `GET /api/v1/secrets/${path}`);
      await send(token, `GET /api/v1/secrets/${path}?version=1`);
      await send(token, `POST /api/v1/secrets/${path}:patch`, { data: { user: 'b' } });
      await send(token, `GET /api/v1/secret-versions/${path}`);
      await send(token, `GET /api/v1/rotations/${path}`);
      await send(token, `GET /api/v1/rotation-history/${path}`);
      await send(token, `POST /api/v1/rotations/${path}:run`, {});
      await send(token, `POST /api/v1/credentials/${path}`, {});
      await send(token, `GET /api/v1/definitions/${path}`);
      await send(token, `PUT /api/v1/definitions/${path}`, { description: 'x' }, create);
      await send(token, `GET /api/v1/definition-versions/${path}`);
      await send(token, `DELETE /api/v1/definitions/${path}`);
      await send(token, `DELETE /api/v1/secrets/${path}`);
      await send(token, `POST /api/v1/secrets/${path}:undelete`, {});
      await send(token, `POST /api/v1/secrets/${path}:destroy`, { versions: ['1'] });
    }
  }
  return answers;
}

function comparable(line: string, { status, body }: Answered): object {
  const { code, detail, version, path, data, problems } = (body ?? {}) as Record<string, unknown>;
  return { line, status, code, detail, version, path, data, problems };
}

async function start(): Promise<RunningApi> {
  const open = { perSecond: 10_000, burst: 100_000 };
  const api = await RunningApi.start({
    limits: { addressRate: open, identityRate: open },
    refusals: { entriesPerWindow: 10_000 },
    denials: { entriesPerWindow: 10_000 },
  });
  await api.seed();
  const hidden = policy('hidden', ['app/hidden/**'], ['read', 'list', 'write']) as {
    spec: { rules: { effect: string }[] };
  };
  hidden.spec.rules[0]!.effect = 'deny';
  await api.put('policies/hidden', hidden);
  return api;
}

/** The part of the log that does not depend on time and random ids. */
async function logOf(api: RunningApi): Promise<readonly object[]> {
  const entries = await storedEntries(api.broker.parts.store);
  return entries.map(({ action, outcome, code, path, document }) => ({
    action,
    outcome,
    code,
    path,
    document,
  }));
}

describe('a path with escaped slashes', () => {
  let plain: { readonly answers: readonly object[]; readonly log: readonly object[] };
  beforeAll(async () => {
    const api = await start();
    const answers = await history(api, PLAIN);
    plain = { answers, log: await logOf(api) };
    await api.stop();
  });

  it('has a history with answers of many kinds to compare with', () => {
    const statuses = new Set(plain.answers.map((answer) => (answer as { status: number }).status));
    expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 201, 204, 403, 404, 409]));
  });

  it.each(SPELLINGS)('gets the answers and the log of the plain one: %s', async (_name, spell) => {
    const api = await start();
    expect(await history(api, spell)).toEqual(plain.answers);
    expect(await logOf(api)).toEqual(plain.log);
    expect(api.logged.join('')).not.toMatch(/%2f/i);
    await api.stop();
  });
});

describe('one caller with both spellings', () => {
  let api: RunningApi;
  beforeAll(async () => {
    api = await RunningApi.start({ limits: { identityRate: { perSecond: 0.001, burst: 40 } } });
    await api.seed();
  });
  afterAll(() => api.stop());

  it('has one lease and one rate limit', async () => {
    const token = await api.logIn();
    const body = { data: { password: 'a' } };
    await api.call('PUT', '/api/v1/secrets/app/a/b', { token, body });
    const leases = new Set<string>();
    let refused = 0;
    for (let i = 0; i < 60; i += 1) {
      const path = i % 2 === 0 ? 'app/a/b' : 'app%2Fa%2Fb';
      const answer = await api.call('GET', `/api/v1/secrets/${path}`, { token });
      if (answer.status === 429) refused += 1;
      else leases.add((answer.body as { lease: { id: string } }).lease.id);
    }
    expect(leases.size).toBe(1);
    expect(refused).toBeGreaterThan(20);
  });
});

describe('a bound session with escaped slashes', () => {
  let api: RunningApi;
  let bound: BoundSession;
  beforeAll(async () => {
    api = await start();
    bound = await BoundSession.open(api);
    await bound.call('PUT', '/api/v1/secrets/app/a/b', { data: { password: 'a' } });
  });
  afterAll(() => api.stop());

  it('reads with a proof of the path with slashes, and of no other spelling', async () => {
    const ask = async (proven: string): Promise<number> => {
      const headers = bound.headers('GET', `/api/v1/secrets/${proven}`);
      return (await api.call('GET', '/api/v1/secrets/app%2Fa%2Fb', { headers })).status;
    };
    expect(await ask('app/a/b')).toBe(200);
    for (const proven of ['app%2Fa%2Fb', 'app%2fa/b', 'app/a']) expect(await ask(proven)).toBe(401);
  });

  it('uses up one proof with either spelling', async () => {
    const headers = bound.headers('GET', '/api/v1/secrets/app/a/b');
    expect(jtiOf(headers['DPoP'] ?? '')).toBeDefined();
    expect((await api.call('GET', '/api/v1/secrets/app/a/b', { headers })).status).toBe(200);
    expect((await api.call('GET', '/api/v1/secrets/app%2Fa%2Fb', { headers })).status).toBe(401);
  });
});

describe('an escape at any other place', () => {
  let api: RunningApi;
  let token: string;
  beforeAll(async () => {
    api = await start();
    token = await api.logIn();
    const body = { data: { password: 'a' } };
    await api.call('PUT', '/api/v1/secrets/app/a/b', { token, body });
  });
  afterAll(() => api.stop());

  it.each([
    '/api%2Fv1/secrets/app/a/b',
    '/api/v1%2Fsecrets/app/a/b',
    '/api/v1/secrets%2Fapp/a/b',
    '%2Fapi/v1/secrets/app/a/b',
    '/api/v1/policies%2Fapp',
    '/api/v1/policies/app%2Fb',
    '/api/v1/sessions%2Fself',
    '/api/v1/secrets/app%252Fa/b',
    '/api/v1/secrets/app%5Ca/b',
    '/api/v1/secrets/app/a%2F..%2Fa/b',
    '/api/v1/secrets/app/a%2F.%2Fb',
    '/api/v1/secrets/app/a%2F%2Fb',
    '/api/v1/secrets/%2Fapp/a/b',
    '/api/v1/secrets/app/a/b%2F',
    '/api/v1/secrets/app/%61/b',
    '/api/v1/secrets/app/a/b%3Apatch',
    '/api/v1/secrets/app/a/b%3Fversion=1',
    '/api/v1/secrets/app%2',
    '/api/v1/secrets/app%c0%afa/b',
    '/api/v1/secrets/app%u002fa/b',
  ])('is refused: %s', async (target) => {
    const request = rawRequest(`GET ${target} HTTP/1.1`, [`Authorization: Bearer ${token}`]);
    const answer = await rawHttp(api.port, request);
    expect(answer?.status).toBe(400);
    expect(answer?.text).not.toContain('password');
  });
});
