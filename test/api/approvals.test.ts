import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { HandClock } from '../kit/time/hand-clock.ts';
import { openVex, trivyReport } from '../kit/images/scanner-reports.ts';
import type { Answered, RunningApi } from '../kit/api/running-api.ts';
import { policy } from '../kit/broker/test-broker.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import type { OidcIssuer } from '../kit/identity/oidc-issuer.ts';

let people: PeopleApi;
let api: RunningApi;
let corp: OidcIssuer;
/** An admin that created no token of the other operators. */
let approver: string;

beforeAll(async () => {
  people = await PeopleApi.start(new HandClock(Date.now()));
  ({ api, corp } = people);
  approver = await api.operator('approver', [{ role: 'admin' }]);
});
afterAll(() => people.stop());
beforeEach(() => {
  corp.user = ALICE;
});

const logIn = (more?: object) => people.logIn(more);

describe('two people with the role admin', () => {
  const post = (path: string, token: string, body: object): Promise<Answered> =>
    api.call('POST', `/api/v1/approvals${path}`, { token, body });
  const approve = (id: string, token: string): Promise<Answered> =>
    post(`/${id}:approve`, token, { reason: 'CHG-1' });
  const idIn = ({ body }: Answered): string => /apr_\w+/.exec(body['detail'] as string)?.[0] ?? '';

  it('approve for each other, but no session of a person approves for another session of it', async () => {
    const grants = [{ role: 'admin' }];
    await api.put('role-bindings/chiefs', { issuer: 'corp', subjects: ['alice', 'bob'], grants });
    const [alice, second] = [await logIn({ stepUp: true }), await logIn({ stepUp: true })];
    corp.user = { ...ALICE, sub: 'bob' };
    const bob = await logIn({ stepUp: true });
    const bind = (): Promise<Answered> =>
      api.call('PUT', '/api/v1/role-bindings/more', {
        token: alice,
        body: { issuer: 'corp', subjects: ['carol'], grants },
        headers: { 'If-None-Match': '*' },
      });
    expect((await post(':require', alice, { required: ['admin'] })).body).toEqual({
      required: ['admin'],
    });
    const refused = await bind();
    expect([refused.status, refused.body.code]).toEqual([403, 'ERR_APPROVAL_REQUIRED']);
    const id = idIn(refused);
    const listed = await api.call('GET', '/api/v1/approvals', { token: bob });
    expect(listed.body).toMatchObject({
      required: ['admin'],
      items: [
        {
          id,
          state: 'pending',
          requester: 'oidc:corp/alice',
          change: { kind: 'role-binding', name: 'more', body: { subjects: ['carol'] } },
        },
      ],
    });
    expect((await approve(id, second)).status).toBe(409);
    expect((await approve(id, bob)).status).toBe(200);
    expect((await bind()).status).toBe(201);
    expect((await approve(id, bob)).status).toBe(404);
    const off = await post(':require', bob, { required: [] });
    expect(off.status).toBe(403);
    expect((await approve(idIn(off), alice)).status).toBe(200);
    expect((await post(':require', bob, { required: [] })).status).toBe(200);
  });

  it('cannot make a rule without the role admin, or for a right that does not exist', async () => {
    for (const required of [['secret-reader'], ['admin', 'mount'], ['admin:unscoped']]) {
      const { status, body } = await post(':require', api.admin, { required });
      expect([status, body.code]).toEqual([400, 'ERR_BODY_INVALID']);
    }
  });

  it('need a recent login to approve, and to request break-glass', async () => {
    corp.user = { ...ALICE, acr: 'urn:password' };
    const token = await logIn();
    const wish = { role: 'secret-reader', scope: ['app'], reason: 'INC-7' };
    const answers = [await approve('apr_1', token), await post(':break-glass', token, wish)];
    expect(answers.map(({ body }) => body.code as string)).toEqual([
      'ERR_STEP_UP_REQUIRED',
      'ERR_STEP_UP_REQUIRED',
    ]);
  });

  it('refuses a request for too long, or for admin within a scope', async () => {
    for (const [more, pointer] of [
      [{ duration: '5h' }, '/duration'],
      [{ role: 'admin', scope: ['app'] }, '/scope'],
      [{ scope: ['a//b'] }, '/scope/0'],
      [{ scope: ['registry.example:5000/app'] }, '/scope/0'],
      [{ role: 'evidence-writer', scope: ['registry.example/app'] }, '/role'],
      [{ reason: '' }, '/reason'],
    ] as const) {
      const wish = { role: 'secret-reader', reason: 'INC-7', ...more };
      const { status, body } = await post(':break-glass', api.admin, wish);
      expect([status, body['problems']]).toEqual([400, [expect.objectContaining({ pointer })]]);
    }
  });

  it('see the role of an approved session end by itself (O45)', async () => {
    const bob = await api.operator('oncall', [{ role: 'auditor' }]);
    const read = (): Promise<Answered> =>
      api.call('GET', '/api/v1/secrets/app/none', { token: bob });
    const wish = { role: 'secret-reader', scope: ['app'], duration: '10m', reason: 'INC-7' };
    const { body } = await post(':break-glass', bob, wish);
    expect((await read()).status).toBe(403);
    expect((await approve(body['id'] as string, api.admin)).status).toBe(409);
    expect((await approve(body['id'] as string, approver)).status).toBe(200);
    expect((await read()).status).toBe(404);
    const { status } = await api.call('DELETE', `/api/v1/approvals/${body['id'] as string}`, {
      token: bob,
    });
    expect(status).toBe(204);
    expect((await read()).status).toBe(403);
    const path = '/api/v1/role-bindings/chiefs';
    const headers = { 'If-Match': '*' };
    await api.call('DELETE', path, { token: api.admin, headers });
    await api.call('DELETE', '/api/v1/role-bindings/more', { token: api.admin, headers });
  });
});

describe('a document that an elevated operator wrote (O45)', () => {
  it('is shown with its end, and confirmed by another operator in the version that was shown', async () => {
    const token = await api.operator('night', [{ role: 'auditor' }]);
    const post = (path: string, by: string, body: object): Promise<Answered> =>
      api.call('POST', `/api/v1/approvals${path}`, { token: by, body });
    const asked = await post(':break-glass', token, { role: 'policy-editor', reason: 'INC-8' });
    const id = asked.body['id'] as string;
    await post(`/${id}:approve`, approver, {});
    const headers = { 'If-None-Match': '*' };
    const body = policy('night', ['app/**']);
    const put = await api.call('PUT', '/api/v1/policies/night', { token, body, headers });
    expect([put.status, put.body['elevation']]).toEqual([201, id]);
    const shown = await api.call('GET', `/api/v1/approvals/${id}`, { token: api.admin });
    const document = { kind: 'policy', name: 'night', version: 1 };
    expect(shown.body['documents']).toEqual([{ ...document, atEnd: 'deleted' }]);
    const confirm = (by: string, documents: readonly object[]): Promise<Answered> =>
      post(`/${id}:confirm`, by, { documents });
    expect((await confirm(api.admin, [document, document])).status).toBe(400);
    expect((await confirm(token, [document])).status).toBe(409);
    expect((await confirm(api.admin, [document])).status).toBe(204);
    await post(`/${id}:deny`, api.admin, {});
    const kept = await api.call('GET', '/api/v1/policies/night', { token: api.admin });
    expect([kept.body['version'], kept.body['elevation']]).toEqual([2, undefined]);
    const path = '/api/v1/policies/night/versions';
    const versions = await api.call('GET', path, { token: api.admin });
    expect(versions.body['items']).toMatchObject([{ version: 2 }, { version: 1, elevation: id }]);
  });
});

describe('an elevation to admin (O45)', () => {
  const PATH = '/api/v1/evidence';
  const report = (minutes: number): object => {
    const CreatedAt = new Date(Date.now() - minutes * 60_000).toISOString();
    return { report: JSON.stringify(trivyReport({ CreatedAt })) };
  };

  async function elevated(name: string, grants: readonly object[]): Promise<string> {
    const token = await api.operator(name, grants);
    const wish = { token, body: { role: 'admin', reason: 'INC-9' } };
    const { body } = await api.call('POST', '/api/v1/approvals:break-glass', wish);
    const path = `/api/v1/approvals/${body['id'] as string}:approve`;
    expect((await api.call('POST', path, { token: approver, body: {} })).status).toBe(200);
    return token;
  }

  it('pushes no report, VEX or signature, which would let pods read after its end, and deletes no evidence', async () => {
    const pushed = await api.call('POST', PATH, { token: api.admin, body: report(5) });
    const [{ id }] = pushed.body['items'] as [{ readonly id: string }];
    const token = await elevated('nightly', [{ role: 'auditor' }]);
    const vex = { report: JSON.stringify(openVex({}, { timestamp: new Date().toISOString() })) };
    const answers = [
      await api.call('POST', PATH, { token, body: report(1) }),
      await api.call('POST', PATH, { token, body: vex }),
      await api.call('POST', '/api/v1/attestations', { token, body: {} }),
      await api.call('DELETE', `${PATH}/${id}`, { token }),
    ];
    for (const { status, body } of answers) {
      expect([status, body['detail']]).toEqual([
        403,
        expect.stringContaining('an elevation does not push evidence'),
      ]);
    }
    const listed = await api.call('GET', PATH, { token });
    expect(listed.body['items']).toMatchObject([{ id }]);
  });

  it('does not widen the scope in which an operator pushes by its own role', async () => {
    const scope = ['registry.example:5000/app'];
    const token = await elevated('scanning', [{ role: 'evidence-writer', scope }]);
    const pushed = await api.call('POST', PATH, { token, body: report(2) });
    expect(pushed.body['items']).toMatchObject([{ scope }]);
  });
});
