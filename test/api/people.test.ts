import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Rates } from '../../src/api/request/rates.ts';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import type { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { itemsOf, type Answered, type RunningApi } from '../kit/api/running-api.ts';
import { ALICE, PeopleApi, queryOf } from '../kit/identity/people-api.ts';

let people: PeopleApi;
let corp: OidcIssuer;
let other: OidcIssuer;
let api: RunningApi;
const clock = new HandClock(Date.now());

// The issuer has the time of the system. A test may take longer than the skew of an ID token on a busy machine.
beforeEach(() => clock.advance(Math.max(0, Date.now() - clock.now())));
beforeAll(async () => {
  people = await PeopleApi.start(clock);
  ({ api, corp, other } = people);
});
afterAll(() => people.stop());
beforeEach(() => {
  corp.user = ALICE;
  other.user = ALICE;
});

const begin = (more?: object) => people.begin(more);
const finish = (login: string, answer?: string) => people.finish(login, answer);
const logIn = (more?: object, issuer?: OidcIssuer) => people.logIn(more, issuer);

const own = (token: string): Promise<Answered> =>
  api.call('GET', '/api/v1/operator-tokens/self', { token });

const refuses = (reason: string, login: string, answer: string | undefined): Promise<unknown> =>
  expectDenied(api, {
    status: 401,
    code: 'ERR_TOKEN_INVALID',
    reason,
    unechoed: [login],
    send: () => finish(login, answer),
  });

describe('a person', () => {
  it('logs in by code and PKCE, has the roles of the bindings, and is in the log by issuer and subject', async () => {
    const token = await logIn();
    const { body } = await own(token);
    expect(body).toMatchObject({
      operator: 'oidc:corp/alice',
      grants: [{ role: 'responder' }, { role: 'policy-editor' }],
    });
    expect(Date.parse(body.endsAt as string) - clock.now()).toBe(3_600_000);
    const query = 'operator=oidc:corp/alice&action=operator-token.create';
    const found = await api.call('GET', `/api/v1/audit/entries?${query}`, { token: api.admin });
    expect(itemsOf(found)[0]).toMatchObject({
      entry: {
        actor: { kind: 'operator', id: 'oidc:corp/alice' },
        outcome: 'ok',
        document: { kind: 'operator', name: 'oidc:corp/alice' },
      },
    });
    expect((await api.call('GET', '/api/v1/clusters', { token })).status).toBe(403);
    expect((await api.call('GET', '/api/v1/quarantines', { token })).status).toBe(200);
  });

  it('logs in on another device', async () => {
    const begun = await api.call('POST', '/api/v1/logins', { body: { issuer: 'corp' } });
    const { login, device } = begun.body as {
      readonly login: string;
      readonly device: { readonly userCode: string; readonly verificationUri: string };
    };
    expect((await finish(login)).status).toBe(202);
    await corp.confirmDevice(device.verificationUri, device.userCode);
    clock.advance(5_000);
    const finished = await finish(login);
    expect([finished.status, finished.body.operator]).toEqual([201, 'oidc:corp/alice']);
    clock.advance(5_000);
    await refuses('login_finished', login, undefined);
  });

  it('is another one at another issuer, whatever the claims say (O04)', async () => {
    const { login, address } = await begin({ issuer: 'other' });
    const answer = queryOf(await other.browse(address));
    await expectDenied(api, {
      status: 403,
      code: 'ERR_NO_ROLE',
      reason: 'no_role',
      unechoed: [],
      send: () => finish(login, answer),
    });
  });

  it.each([
    ['a text', 'platform,admin'],
    ['a text with the value in a list of words', 'staff platform'],
    ['a nested list', [['platform']]],
    ['an object', { 0: 'platform' }],
    ['another case', ['Platform']],
    ['the value with a space', ['platform ']],
    ['nothing', undefined],
  ])('has no role by %s in the claim (O08)', async (_what, groups) => {
    corp.user = { ...ALICE, claims: { groups } };
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    await expectDenied(api, {
      status: 403,
      code: 'ERR_NO_ROLE',
      reason: 'no_role',
      unechoed: [],
      send: () => finish(login, answer),
    });
  });

  it('is refused with a claim of more items than the broker keeps (O08)', async () => {
    corp.user = {
      ...ALICE,
      claims: { groups: ['platform', ...Array.from({ length: 300 }, (_, n) => `g${n}`)] },
    };
    const { login, address } = await begin();
    await refuses('claims_too_large', login, queryOf(await corp.browse(address)));
  });

  it('loses a role at once when its binding changes, in an open session (O11)', async () => {
    await api.put('role-bindings/auditors', {
      issuer: 'corp',
      subjects: ['alice'],
      grants: [{ role: 'auditor', scope: [] }],
    });
    const token = await logIn();
    expect((await api.call('GET', '/api/v1/audit/checkpoint', { token })).status).toBe(200);
    await api.call('DELETE', '/api/v1/role-bindings/auditors', {
      token: api.admin,
      headers: { 'If-Match': '*' },
    });
    expect((await api.call('GET', '/api/v1/audit/checkpoint', { token })).status).toBe(403);
  });
});

/** Another text in any case: the fourth character from the end has no bits that decoding ignores. */
function altered(login: string): string {
  return `${login.slice(0, -4)}${login.at(-4) === 'A' ? 'B' : 'A'}${login.slice(-3)}`;
}

describe('the answer of an issuer', () => {
  it.each<[string, (answer: URLSearchParams) => void]>([
    ['without state', (answer) => answer.delete('state')],
    ['with another state', (answer) => answer.set('state', 'x')],
    ['with another code', (answer) => answer.set('code', 'x')],
    ['without code', (answer) => answer.delete('code')],
    ['of another issuer (O04)', (answer) => answer.set('iss', other.url)],
    ['without issuer, which this one always names', (answer) => answer.delete('iss')],
    ['that is an error', (answer) => answer.set('error', 'access_denied')],
  ])('is refused %s (O01, O04)', async (_what, change) => {
    const { login, address } = await begin();
    const answer = new URLSearchParams(queryOf(await corp.browse(address)));
    change(answer);
    await refuses('login_refused', login, answer.toString());
  });

  it('is refused twice, for another login, and at another broker', async () => {
    const first = await begin();
    const answer = queryOf(await corp.browse(first.address));
    const second = await begin();
    await refuses('login_refused', second.login, answer);
    expect((await finish(first.login, answer)).status).toBe(201);
    await refuses('login_refused', first.login, answer);
    await refuses('login_form', altered(first.login), answer);
    await refuses('login_form', 'x', answer);
    await refuses('login_form', first.login, undefined);
  });

  it('is refused with a code that was injected into a login with another verifier (O03)', async () => {
    const victim = await begin();
    const stolen = new URLSearchParams(queryOf(await corp.browse(victim.address)));
    const attacker = await begin();
    const own = new URLSearchParams(queryOf(await corp.browse(attacker.address)));
    own.set('code', stolen.get('code') ?? '');
    await refuses('login_refused', attacker.login, own.toString());
  });

  it.each([
    'http://127.0.0.1:4711/',
    'http://localhost:4711/callback',
    'https://127.0.0.1:4711/callback',
    'http://127.0.0.1:4711/callback?x=1',
    'http://127.0.0.1.evil.test:4711/callback',
    'http://evil@127.0.0.1:4711/callback',
    '//evil.test/callback',
    'javascript:1',
  ])('never goes to %s (O09)', async (redirectUri) => {
    const answer = await api.call('POST', '/api/v1/logins', {
      body: { issuer: 'corp', redirectUri },
    });
    expect([answer.status, answer.body.code]).toEqual([400, 'ERR_BODY_INVALID']);
  });

  it('is not awaited from an issuer that is not configured', async () => {
    const answer = await api.call('POST', '/api/v1/logins', { body: { issuer: 'absent' } });
    expect([answer.status, answer.body.code]).toEqual([404, 'ERR_NOT_FOUND']);
  });
});

describe('a person without a role', () => {
  it('learns what the issuer said, and the search of the documentation finds the refusal', async () => {
    corp.user = { sub: 'newcomer', claims: { groups: ['staff'], email: 'n@example.test' } };
    const { login, address } = await begin();
    const refused = await finish(login, queryOf(await corp.browse(address)));
    expect(refused).toMatchObject({
      status: 403,
      body: {
        code: 'ERR_NO_ROLE',
        detail:
          'the issuer "corp" says about you: sub: newcomer; groups: staff; email: n@example.test. No role binding gives you a role',
      },
    });
    const path = '/api/v1/audit/entries?action=operator-token.create&outcome=deny&limit=1';
    const [found] = itemsOf(await api.call('GET', path, { token: api.admin }));
    expect(found?.['entry']).toMatchObject({
      reason: 'no_role',
      document: { kind: 'operator', name: 'oidc:corp/newcomer' },
    });
  });

  it('learns no more than the broker prints of it', async () => {
    corp.user = { sub: 'newcomer', claims: { email: 'x'.repeat(5_000) } };
    const { login, address } = await begin();
    const refused = await finish(login, queryOf(await corp.browse(address)));
    expect((refused.body.detail as string).length).toBeLessThan(1_200);
  });
});

const DEVICE_ANSWER = {
  device_code: 'd',
  user_code: 'u',
  verification_uri: 'https://issuer.test/device',
  expires_in: 60,
};

/** Holds the answers of the issuer at `path`, until `open` sends them. */
function holding(path: string, answer: object) {
  const held: (() => void)[] = [];
  corp.intercept = (request, response) => {
    if (request.url !== path) return false;
    held.push(() => {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    });
    return true;
  };
  return {
    held,
    open: () => {
      corp.intercept = undefined;
      for (const each of held) each();
    },
  };
}

/** Sends `count` requests at once. The refusals and the answers of all of them can be awaited. */
function burst(count: number, send: () => Promise<Answered>) {
  const refusals: Answered[] = [];
  const all = Array.from({ length: count }, async () => {
    const answer = await send();
    if (answer.status === 503) refusals.push(answer);
    return answer;
  });
  return { refusals, all: Promise.all(all) };
}

const beginDevice = (): Promise<Answered> =>
  api.call('POST', '/api/v1/logins', { body: { issuer: 'corp' } });

describe('a slow issuer', () => {
  it('keeps at most four device logins of a network waiting, and no login in the browser (O42)', async () => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    const { open } = holding('/device/auth', DEVICE_ANSWER);
    const { refusals, all } = burst(12, beginDevice);
    await until('eight are refused', () => Promise.resolve(refusals.length === 8));
    expect(refusals[0]).toMatchObject({
      status: 503,
      body: {
        code: 'ERR_BUSY',
        detail: `4 logins from your network wait for the issuer ${corp.url}; it is slow, retry later`,
      },
      headers: { 'retry-after': '10' },
    });
    expect((await begin()).login).toBeDefined();
    expect((await finish(login, answer)).status).toBe(201);
    open();
    const statuses = (await all).map(({ status }) => status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(4);
    expect((await beginDevice()).status).toBe(200);
  });

  it('keeps at most eight answers of one network waiting (O42)', async () => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    const { held, open } = holding('/token', { error: 'invalid_grant' });
    const { refusals, all } = burst(10, () => finish(login, answer));
    await until('two are refused', () => Promise.resolve(refusals.length === 2));
    expect(refusals[0]?.body.detail).toContain('8 logins from your network wait');
    await until('eight wait', () => Promise.resolve(held.length === 8));
    open();
    expect((await all).filter(({ status }) => status === 401)).toHaveLength(8);
  });
});

describe('a device login', () => {
  it('asks the issuer once in its interval, however often it is polled (O42)', async () => {
    const { body } = await beginDevice();
    const { login } = body as { readonly login: string };
    const asked = (): number => corp.requests.filter((each) => each === 'POST /token').length;
    const before = asked();
    const polls = await Promise.all(Array.from({ length: 40 }, () => finish(login)));
    expect(polls.map(({ status }) => status)).toEqual(Array.from({ length: 40 }, () => 202));
    expect(asked() - before).toBe(1);
    clock.advance(5_000);
    await Promise.all([finish(login), finish(login)]);
    expect(asked() - before).toBe(2);
  });

  it('has one of sixteen places of its network until it ends (O42)', async () => {
    corp.intercept = (request, response) => {
      const isToken = request.url === '/token';
      if (!isToken && request.url !== '/device/auth') return false;
      response.statusCode = isToken ? 400 : 200;
      response.setHeader('content-type', 'application/json');
      response.end(isToken ? '{"error":"expired_token"}' : JSON.stringify(DEVICE_ANSWER));
      return true;
    };
    const begun: string[] = [];
    let refusal = await beginDevice();
    for (; refusal.status === 200; refusal = await beginDevice())
      begun.push(refusal.body.login as string);
    expect(refusal).toMatchObject({
      status: 503,
      body: { code: 'ERR_BUSY' },
      headers: { 'retry-after': '60' },
    });
    expect(refusal.body.detail).toContain('16 device logins from your network wait');
    expect(begun.length).toBeGreaterThan(0);
    expect((await finish(begun[0]!)).status).toBe(401);
    expect((await beginDevice()).status).toBe(200);
    expect((await beginDevice()).status).toBe(503);
    // The places of the others are for the tests that follow.
    for (const login of begun.slice(1)) expect((await finish(login)).status).toBe(401);
    corp.intercept = undefined;
  });

  it('waits longer if the issuer says that it is polled too fast', async () => {
    const { body } = await beginDevice();
    const { login } = body as { readonly login: string };
    let asked = 0;
    corp.intercept = (request, response) => {
      if (request.url !== '/token') return false;
      asked += 1;
      response.statusCode = 400;
      response.setHeader('content-type', 'application/json');
      response.end('{"error":"slow_down"}');
      return true;
    };
    expect((await finish(login)).status).toBe(202);
    clock.advance(6_000);
    expect([(await finish(login)).status, asked]).toEqual([202, 1]);
    clock.advance(5_000);
    expect([(await finish(login)).status, asked]).toEqual([202, 2]);
    corp.intercept = undefined;
  });
});

describe('an issuer that cannot answer', () => {
  it.each([
    ['a server error', 502, '7', '7'],
    ['too many requests', 429, 'soon', '5'],
    ['a pause of a day', 503, '86400', '300'],
  ])('makes a login fail with 503 and not with 401: %s', async (_what, status, retry, shown) => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    corp.intercept = (request, response) => {
      if (request.url !== '/token') return false;
      response.writeHead(status, { 'retry-after': retry }).end('away');
      return true;
    };
    const refused = await finish(login, answer);
    corp.intercept = undefined;
    expect([refused.status, refused.body.code, refused.headers['retry-after']]).toEqual([
      503,
      'ERR_IDENTITY_UNAVAILABLE',
      shown,
    ]);
    expect((await finish(login, answer)).status).toBe(201);
  });

  it('makes a login fail with 503 if it closes the connection', async () => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    corp.intercept = (request) => {
      if (request.url !== '/token') return false;
      request.socket.destroy();
      return true;
    };
    expect((await finish(login, answer)).status).toBe(503);
    corp.intercept = undefined;
    expect((await finish(login, answer)).status).toBe(201);
  });

  it('is not charged to the network of the caller as a refused token', async () => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    const failed = jest.spyOn(Rates.prototype, 'failed');
    corp.intercept = (request, response) => {
      if (request.url !== '/token') return false;
      response.writeHead(503).end();
      return true;
    };
    await finish(login, answer);
    corp.intercept = undefined;
    expect(failed).not.toHaveBeenCalled();
    await finish(login, 'code=x');
    expect(failed).toHaveBeenCalledTimes(1);
    failed.mockRestore();
  });
});

describe('a quarantine of a person', () => {
  it('refuses the open session and new logins', async () => {
    corp.user = { ...ALICE, sub: 'mallory' };
    const token = await logIn();
    const made = await api.call('POST', '/api/v1/quarantines', {
      token: api.admin,
      body: { kind: 'operator', operator: 'oidc:corp/mallory', reason: 'INC-7' },
    });
    expect(made.status).toBe(200);
    expect((await own(token)).status).toBe(401);
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'quarantined',
      unechoed: [],
      send: () => finish(login, answer),
    });
  });
});

describe('a role binding', () => {
  const valid = {
    issuer: 'corp',
    claims: { groups: ['admins'] },
    grants: [{ role: 'admin', scope: [] }],
  };

  it.each([
    ['admin by a wildcard', { claims: { groups: '*' } }, '/claims/groups'],
    ['admin by a wildcard among values', { claims: { groups: ['a', '*'] } }, '/claims/groups'],
    ['admin for everyone', { claims: {} }, '/claims'],
    ['an unknown issuer', { issuer: 'absent' }, '/issuer'],
    ['no grant', { grants: [] }, '/grants'],
    ['an unknown role', { grants: [{ role: 'Root' }] }, '/grants/0/role'],
    ['admin with a scope', { grants: [{ role: 'admin', scope: ['a'] }] }, '/grants/0/scope'],
    ['an empty list of values', { claims: { groups: [] } }, '/claims/groups'],
    ['an unknown field', { email: 'a@b' }, '/email'],
  ])('is refused with %s, at its place', async (_what, changes, pointer) => {
    const answer = await api.call('PUT', '/api/v1/role-bindings/wrong', {
      token: api.admin,
      body: { ...valid, ...changes },
      headers: { 'If-None-Match': '*' },
    });
    expect([answer.status, answer.body.problems[0].pointer]).toEqual([400, pointer]);
  });

  it('is refused with admin by a wildcard, with line, column and reason', async () => {
    const body = [
      '{',
      '  "issuer": "corp",',
      '  "claims": { "groups": "*" },',
      '  "grants": [{ "role": "admin", "scope": [] }]',
      '}',
    ];
    const answer = await api.call('PUT', '/api/v1/role-bindings/wrong', {
      token: api.admin,
      body: body.join('\n'),
      headers: { 'If-None-Match': '*', 'Content-Type': 'application/json' },
    });
    expect(answer).toMatchObject({
      status: 400,
      body: {
        problems: [
          {
            pointer: '/claims/groups',
            line: 3,
            column: 25,
            message: 'must not be "*" in a binding of the role admin: name the values',
          },
        ],
      },
    });
  });

  it('gives a role only to logins with its context and methods', async () => {
    const grants = [{ role: 'rotator', scope: [] }];
    await api.put('role-bindings/strong', {
      issuer: 'corp',
      claims: { groups: '*' },
      acr: ['urn:mfa'],
      amr: ['otp'],
      grants,
    });
    const rolesOf = async (): Promise<readonly string[]> =>
      ((await own(await logIn({ stepUp: true }))).body.grants as { readonly role: string }[]).map(
        ({ role }) => role,
      );
    expect(await rolesOf()).toContain('rotator');
    corp.user = { ...ALICE, amr: ['pwd'] };
    expect(await rolesOf()).not.toContain('rotator');
    corp.user = { ...ALICE, acr: 'urn:password' };
    expect(await rolesOf()).not.toContain('rotator');
  });

  it('has versions and a dry run, as other documents', async () => {
    const put = (query: string, headers: Readonly<Record<string, string>>): Promise<Answered> =>
      api.call('PUT', `/api/v1/role-bindings/kept${query}`, {
        token: api.admin,
        body: valid,
        headers,
      });
    expect((await put('?dryRun=true', { 'If-None-Match': '*' })).status).toBe(200);
    expect((await put('', { 'If-None-Match': '*' })).status).toBe(201);
    const read = await api.call('GET', '/api/v1/role-bindings/kept/versions', { token: api.admin });
    expect(itemsOf(read)).toHaveLength(1);
    expect((await put('', {})).status).toBe(428);
  });
});

describe('an issuer with the settings that it has by default', () => {
  let usual: PeopleApi;
  beforeAll(async () => {
    const stepUp = { maxAgeSeconds: 300, acr: [] };
    usual = await PeopleApi.start(clock, { stepUp }, { corp: { deviceLogin: undefined } });
    usual.corp.user = ALICE;
  });
  afterAll(() => usual.stop());

  it('makes a fresh login satisfy dangerous operations without a second one', async () => {
    const token = await usual.logIn();
    const request = { token, headers: { 'If-Match': '*' } };
    const answer = await usual.api.call('DELETE', '/api/v1/policies/absent', request);
    expect(answer.status).toBe(404);
  });

  it('allows no login on another device, and names the setting (O42)', async () => {
    const answer = await usual.api.call('POST', '/api/v1/logins', { body: { issuer: 'corp' } });
    expect([answer.status, answer.body.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
    expect(answer.body.detail).toContain('people.issuers.corp.deviceLogin');
    expect(usual.corp.requests.filter((each) => each.includes('/device'))).toEqual([]);
  });
});

// From here on the broker's clock runs ahead of the issuer's, so that its logins are no longer recent.
describe('a dangerous operation', () => {
  const dangerous = (token: string): Promise<Answered> =>
    api.call('DELETE', '/api/v1/policies/absent', { token, headers: { 'If-Match': '*' } });

  it('needs one of the demanded contexts', async () => {
    corp.user = { ...ALICE, acr: 'urn:password' };
    const token = await logIn({ stepUp: true });
    expect((await dangerous(token)).body.code).toBe('ERR_STEP_UP_REQUIRED');
  });

  it('needs no login of a token of an operator', async () => {
    expect((await dangerous(api.admin)).status).toBe(404);
  });

  it('needs a login of the last five minutes, and a login for it satisfies it', async () => {
    const token = await logIn({ stepUp: true });
    expect((await dangerous(token)).status).toBe(404);
    clock.advance(400_000);
    const refused = await dangerous(token);
    expect([refused.status, refused.body.code]).toEqual([401, 'ERR_STEP_UP_REQUIRED']);
    expect(refused.headers['www-authenticate']).toBe(
      'Bearer error="insufficient_user_authentication", acr_values="urn:mfa", max_age="300"',
    );
    expect((await own(token)).status).toBe(200);
  });
});

describe('the session of a person', () => {
  it('stays open while it is used, at most twelve hours', async () => {
    const token = await logIn();
    const begun = clock.now();
    for (let minutes = 0; minutes < 11 * 60 + 50; minutes += 50) {
      clock.advance(50 * 60_000);
      const { status } = await own(token);
      if (status !== 200) break;
    }
    expect(clock.now() - begun).toBeGreaterThan(11 * 3_600_000);
    expect(clock.now() - begun).toBeLessThanOrEqual(12.5 * 3_600_000);
    clock.advance(50 * 60_000);
    expect((await own(token)).status).toBe(401);
  });

  it('ends after an hour without use', async () => {
    const token = await logIn();
    clock.advance(3_600_001);
    expect((await own(token)).status).toBe(401);
  });

  it('ends by signing out, everywhere too (O11)', async () => {
    const [one, two, three] = [await logIn(), await logIn(), await logIn()];
    const out = (token: string, query = ''): Promise<Answered> =>
      api.call('DELETE', `/api/v1/logins/self${query}`, { token });
    expect((await out(one)).body).toEqual({ ended: 1 });
    expect([(await own(one)).status, (await own(two)).status]).toEqual([401, 200]);
    expect((await out(two, '?everywhere=true')).body.ended).toBeGreaterThanOrEqual(2);
    expect((await own(three)).status).toBe(401);
    expect((await out(api.admin)).status).toBe(404);
  });

  it('is ended by a responder, and a person without that role cannot end that of another', async () => {
    const token = await logIn();
    corp.user = { ...ALICE, sub: 'bob', claims: { groups: ['platform'] } };
    const bob = await logIn();
    const end = (who: string, person: string): Promise<Answered> =>
      api.call('POST', '/api/v1/logins:end', { token: who, body: { person } });
    expect((await end(bob, 'oidc:corp/alice')).status).toBe(200);
    expect((await own(token)).status).toBe(401);
    expect((await end(bob, 'oidc:corp/someone')).status).toBe(404);
  });
});

describe('a late answer of an issuer', () => {
  it('is refused after ten minutes', async () => {
    const { login, address } = await begin();
    const answer = queryOf(await corp.browse(address));
    clock.advance(600_001);
    await refuses('login_expired', login, answer);
  });
});
