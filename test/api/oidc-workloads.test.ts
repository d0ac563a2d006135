import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '../kit/backends/until.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { OidcIssuer } from '../kit/identity/oidc-issuer.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { vaultCall, type VaultAnswer } from '../kit/api/vault-call.ts';
import { ecKey, rsaKey, signedToken } from '../kit/identity/token-factory.ts';

const CLIENT = 'quaymaster-ci';
const WORKLOAD = 'ci://ci/acme/shop/production';
const first = ecKey('first');

let issuer: OidcIssuer;
let other: OidcIssuer;
let api: RunningApi;
const clock = new HandClock(Date.now());

beforeAll(async () => {
  const clients = [
    {
      client_id: CLIENT,
      redirect_uris: ['http://127.0.0.1/callback'],
      token_endpoint_auth_method: 'none' as const,
      application_type: 'native' as const,
    },
  ];
  const options = { clients, claims: ['repository', 'environment'] };
  issuer = await OidcIssuer.start({ ...options, keys: [first] });
  other = await OidcIssuer.start({ ...options, keys: [ecKey('first')] });
  const user = {
    sub: 'repo:acme/shop:environment:production',
    claims: { repository: 'acme/shop', environment: 'production' },
  };
  issuer.user = user;
  other.user = user;
  const rate = { perSecond: 10_000, burst: 1_000_000 };
  api = await RunningApi.start({
    clock,
    limits: { addressRate: rate, loginRate: rate },
    connections: {
      issuer: { type: 'jwks', issuerUrl: issuer.url, caFile: issuer.caFile },
      other: { type: 'jwks', issuerUrl: other.url, caFile: other.caFile },
    },
    vaultApi: {
      mounts: { secret: { engine: 'kv-v2', prefix: 'app' } },
      auth: { jwt: { cluster: 'ci' }, kubernetes: { cluster: 'other' } },
    },
  });
  await api.seed();
  await api.put('clusters/ci', cluster('issuer', issuer));
  await api.put('clusters/other', cluster('other', other));
  await api.put('policies/ci', {
    apiVersion: 'quaymaster.dev/v1',
    kind: 'AccessPolicy',
    metadata: { name: 'ci' },
    spec: {
      subjects: [{ clusters: ['ci'], identities: ['acme/*/production'] }],
      rules: [{ effect: 'allow', paths: ['app/deploy/*'], capabilities: ['read'] }],
    },
  });
  await api.call('PUT', '/api/v1/secrets/app/deploy/key', {
    token: await api.operator('writer', [{ role: 'secret-editor', scope: [] }]),
    body: { data: { key: 'v1' } },
    headers: { 'If-None-Match': '*' },
  });
});
// The issuer signs by the system clock. On a slow machine its tokens would otherwise be of the future.
beforeEach(() => clock.setWall(Math.max(clock.now(), Date.now())));
afterAll(async () => {
  await api.stop();
  await issuer.close();
  await other.close();
});

function cluster(connection: string, { url }: OidcIssuer): object {
  return {
    type: 'oidc',
    connection,
    issuer: url,
    audiences: [CLIENT],
    identity: [{ claim: 'repository', parts: 2 }, { claim: 'environment' }],
  };
}

const present = (name: string, token: string): Promise<Answered> =>
  api.call('POST', '/api/v1/sessions', { body: { cluster: name, token } });

async function logIn(): Promise<Answered> {
  const answer = await present('ci', await issuer.idToken(CLIENT));
  expect(answer.status).toBe(201);
  return answer;
}

/** A token that only a signature of the issuer makes valid. */
const forged = (changes: object): Record<string, unknown> => {
  const now = Math.floor(clock.now() / 1000);
  const claims = { sub: 'x', repository: 'acme/shop', environment: 'production' };
  return { iss: issuer.url, aud: CLIENT, iat: now, exp: now + 300, ...claims, ...changes };
};

describe('a workload of an OIDC issuer', () => {
  it('logs in, reads what a policy gives its identity, and appears in the log by its name', async () => {
    const { body } = await logIn();
    expect(body.session.workload).toEqual({
      id: WORKLOAD,
      cluster: 'ci',
      identity: ['acme', 'shop', 'production'],
    });
    const token = body.token as string;
    const read = await api.call('GET', '/api/v1/secrets/app/deploy/key', { token });
    expect([read.status, read.body.data]).toEqual([200, { key: 'v1' }]);
    expect((await api.call('GET', '/api/v1/secrets/app/other', { token })).status).toBe(404 - 1);
    const query = `workload=${encodeURIComponent(WORKLOAD)}&action=secret.read`;
    const found = await api.call('GET', `/api/v1/audit/entries?${query}`, { token: api.admin });
    expect(itemsOf(found)[0]).toMatchObject({
      entry: { actor: { kind: 'workload', id: WORKLOAD, cluster: 'ci' } },
    });
    const listed = await api.call(
      'GET',
      `/api/v1/leases?workload=${encodeURIComponent(WORKLOAD)}&state=live`,
      { token: api.admin },
    );
    expect(itemsOf(listed)).toMatchObject([{ workload: WORKLOAD, path: 'app/deploy/key' }]);
  });

  it('logs in at the mount of its cluster with a client of the Vault HTTP API', async () => {
    const jwt = await issuer.idToken(CLIENT);
    const at = (mount: string): Promise<VaultAnswer> =>
      vaultCall(api.vaultPort, 'PUT', `auth/${mount}/login`, { body: { role: 'deploy', jwt } });
    const { body } = await at('jwt');
    expect(body.auth.metadata).toEqual({ role: 'deploy', workload: WORKLOAD });
    const token = body.auth.client_token as string;
    const read = await vaultCall(api.vaultPort, 'GET', 'secret/data/deploy/key', { token });
    expect(read.body.data.data).toEqual({ key: 'v1' });
    expect((await at('kubernetes')).status).toBe(403);
  });

  it('renews its session with a token of the same identity only', async () => {
    const { body } = await logIn();
    const renew = (token: string): Promise<Answered> =>
      api.call('POST', '/api/v1/sessions/self/renew', {
        token: body.token as string,
        body: { token },
      });
    expect((await renew(await issuer.idToken(CLIENT))).status).toBe(200);
    const { user } = issuer;
    issuer.user = { ...user, claims: { repository: 'acme/shop', environment: 'staging' } };
    const staging = await issuer.idToken(CLIENT);
    issuer.user = user;
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'other_holder',
      unechoed: [staging],
      send: () => renew(staging),
    });
  });

  it('is explained, also before its first login', async () => {
    const question = {
      workload: { cluster: 'ci', identity: ['acme', 'web', 'production'] },
      capability: 'read',
      path: 'app/deploy/key',
      sourceAddress: '10.0.0.1',
    };
    const ask = (workload: object): Promise<Answered> =>
      api.call('POST', '/api/v1/policies:explain', {
        token: api.admin,
        body: { ...question, workload },
      });
    const { body } = await ask(question.workload);
    expect(body.decision).toMatchObject({ effect: 'allow', policy: 'ci' });
    const staging = { cluster: 'ci', identity: ['acme', 'web', 'staging'] };
    expect((await ask(staging)).body.decision.effect).toBe('deny');
    for (const identity of [[], ['*'], ['a/b'], ['..'], Array.from({ length: 17 }, () => 'a')]) {
      expect((await ask({ cluster: 'ci', identity })).status).toBe(400);
    }
  });

  it('loses its sessions and leases by a quarantine, and gets no new ones', async () => {
    const { body } = await logIn();
    const token = body.token as string;
    await api.call('GET', '/api/v1/secrets/app/deploy/key', { token });
    const made = await api.call('POST', '/api/v1/quarantines', {
      token: api.admin,
      body: { kind: 'workload', workload: WORKLOAD, reason: 'INC-7' },
    });
    expect(made.status).toBe(200);
    expect(made.body.ended.sessions).toBeGreaterThan(0);
    expect((await api.call('GET', '/api/v1/secrets/app/deploy/key', { token })).status).toBe(401);
    expect((await present('ci', await issuer.idToken(CLIENT))).status).toBe(403);
    const id = made.body.quarantine.id as string;
    await api.call('DELETE', `/api/v1/quarantines/${id}?reason=over`, { token: api.admin });
    await logIn();
  });
});

describe('a login at an OIDC cluster', () => {
  it.each<[string, string, () => Promise<string> | string, string]>([
    [
      'a token of another issuer with the same key name',
      'ci',
      () => other.idToken(CLIENT),
      'bad_signature',
    ],
    ['a token for another cluster', 'other', () => issuer.idToken(CLIENT), 'bad_signature'],
    [
      'a token of another issuer that claims to be this one',
      'ci',
      () => signedToken(ecKey('first'), forged({})),
      'bad_signature',
    ],
    [
      'the issuer of another cluster',
      'ci',
      () => signedToken(first, forged({ iss: other.url })),
      'iss_mismatch',
    ],
    [
      'the audience of another client',
      'ci',
      () => signedToken(first, forged({ aud: 'other' })),
      'aud_mismatch',
    ],
    ['an unknown key', 'ci', () => signedToken(rsaKey('made-up'), forged({})), 'key_not_trusted'],
    ['a service-account token', 'ci', () => api.serviceAccountToken(), 'key_not_trusted'],
    ['no token', 'ci', () => 'x', 'malformed'],
  ])('is refused with %s (J08, J11)', async (_what, name, token, reason) => {
    const shown = await token();
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason,
      unechoed: [shown, reason],
      send: () => present(name, shown),
    });
  });

  it('is refused with an ID token of this issuer at a Kubernetes cluster', async () => {
    const shown = await issuer.idToken(CLIENT);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'key_not_trusted',
      unechoed: [shown],
      send: () => present('c1', shown),
    });
  });

  it('follows the keys of the issuer: a new one at once, a removed one after five minutes', async () => {
    const before = await issuer.idToken(CLIENT);
    issuer.rotate([ecKey('second')]);
    clock.advance(30_000);
    expect((await present('ci', await issuer.idToken(CLIENT))).status).toBe(201);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'key_not_trusted',
      unechoed: [before],
      send: () => present('ci', before),
    });
    issuer.rotate([first]);
    clock.advance(300_000);
    await until('the first key is trusted again', async () => {
      const answer = await present('ci', await issuer.idToken(CLIENT));
      return answer.status === 201;
    });
  });

  it('trusts no keys of an issuer whose discovery document is of another one', async () => {
    other.intercept = (request, response) => {
      if (request.url !== '/.well-known/openid-configuration') return false;
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/jwks` }));
      return true;
    };
    await api.put('clusters/mixed-up', cluster('other', other));
    const answer = await present('mixed-up', await issuer.idToken(CLIENT));
    expect([answer.status, answer.body.code]).toEqual([503, 'ERR_IDENTITY_UNAVAILABLE']);
    other.intercept = undefined;
  });
});

describe('the registration of an OIDC cluster', () => {
  it.each([
    [{ connection: 'absent' }, '/connection'],
    [{ issuer: 'https://elsewhere.test' }, '/connection'],
    [{ identity: [] }, '/identity'],
    [{ identity: [{ claim: 'a', parts: 'any' }, { claim: 'b' }] }, '/identity'],
  ])('is refused: %j', async (changes, pointer) => {
    const answer = await api.call('PUT', '/api/v1/clusters/wrong', {
      token: api.admin,
      body: { ...cluster('issuer', issuer), ...changes },
      headers: { 'If-None-Match': '*' },
    });
    expect([answer.status, answer.body.problems[0].pointer]).toEqual([400, pointer]);
  });
});
