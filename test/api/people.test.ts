import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
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
    const finished = await finish(login);
    expect([finished.status, finished.body.operator]).toEqual([201, 'oidc:corp/alice']);
    await refuses('login_refused', login, undefined);
  });

  it('is another one at another issuer, whatever the claims say (O04)', async () => {
    const { login, address } = await begin({ issuer: 'other' });
    const answer = queryOf(await other.browse(address));
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
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
      code: 'ERR_DENIED',
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

describe('a slow issuer', () => {
  it('keeps at most 32 logins waiting and refuses others, and the waiting ones succeed', async () => {
    const held: (() => void)[] = [];
    let isSlow = true;
    corp.intercept = (request, response) => {
      if (request.url !== '/device/auth') return false;
      const answer = (): void => {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            device_code: 'd',
            user_code: 'u',
            verification_uri: corp.url,
            expires_in: 60,
          }),
        );
      };
      if (isSlow) held.push(answer);
      else answer();
      return true;
    };
    const start = (): Promise<Answered> =>
      api.call('POST', '/api/v1/logins', { body: { issuer: 'corp' } });
    // The discovery is done, so that every call below waits for the device code.
    await begin();
    const refusals: Answered[] = [];
    const waiting = Array.from({ length: 40 }, async () => {
      const answer = await start();
      if (answer.status !== 200) refusals.push(answer);
      return answer.status;
    });
    await until('eight are refused', () => Promise.resolve(refusals.length === 8));
    expect(refusals[0]).toMatchObject({
      status: 503,
      body: {
        code: 'ERR_BUSY',
        detail: `32 logins wait for the issuer ${corp.url}; it is slow, retry later`,
      },
      headers: { 'retry-after': '10' },
    });
    isSlow = false;
    for (const answer of held) answer();
    const statuses = await Promise.all(waiting);
    expect(statuses.filter((status) => status === 200)).toHaveLength(32);
    expect((await start()).status).toBe(200);
    corp.intercept = undefined;
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
