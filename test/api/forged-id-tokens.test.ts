import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { ALICE, CLIENT, PeopleApi, queryOf } from '../kit/identity/people-api.ts';
import { ecKey, rawToken, signedToken } from '../kit/identity/token-factory.ts';

type Claims = Record<string, unknown>;

let people: PeopleApi;
const clock = new HandClock(Date.now());
const stranger = ecKey('k');

beforeAll(async () => {
  people = await PeopleApi.start(clock);
});
afterAll(() => people.stop());
beforeEach(() => {
  people.corp.user = ALICE;
});
afterEach(() => {
  people.corp.intercept = undefined;
});

/** The token endpoint answers with this ID token from now on. */
function answerWith(idToken: unknown): void {
  people.corp.intercept = (request, response) => {
    if (request.url !== '/token') return false;
    response.setHeader('content-type', 'application/json');
    response.end(
      JSON.stringify({
        access_token: 'x',
        token_type: 'Bearer',
        ...(idToken !== undefined && { id_token: idToken }),
      }),
    );
    return true;
  };
}

function without(claims: Claims, name: string): Claims {
  return Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name));
}

/** The claims as text, with this text as the value of one of them. */
function changed(claims: Claims, name: string, value: string): string {
  return JSON.stringify({ ...claims, [name]: 'HERE' }).replace('"HERE"', value);
}

/** A login that reached the redirect, and the claims of a valid ID token for it. */
async function reached(more: object = {}) {
  const { login, address } = await people.begin(more);
  const answer = queryOf(await people.corp.browse(address));
  const now = Math.floor(clock.now() / 1000);
  const claims: Claims = {
    iss: people.corp.url,
    aud: CLIENT,
    sub: 'alice',
    iat: now,
    exp: now + 600,
    auth_time: now,
    nonce: new URL(address).searchParams.get('nonce'),
    groups: ['platform'],
  };
  return { login, answer, claims };
}

describe('an ID token that the token endpoint returns', () => {
  it('is accepted if it is signed, for this client and for this login', async () => {
    const { login, answer, claims } = await reached();
    answerWith(signedToken(people.key, claims));
    expect((await people.finish(login, answer)).status).toBe(201);
  });

  it.each<[string, (claims: Claims) => unknown]>([
    ['is missing', () => undefined],
    ['is not a token', () => 'x.y'],
    ['is signed with another key of the same id', (claims) => signedToken(stranger, claims)],
    [
      'has no signature and the algorithm none',
      (claims) => rawToken({ header: { alg: 'none' }, payload: claims }),
    ],
    [
      'has no signature',
      (claims) => rawToken({ header: { alg: 'ES256', kid: 'k' }, payload: claims }),
    ],
    [
      'is authenticated with the public key as a secret',
      (claims) =>
        rawToken({
          header: { alg: 'HS256', kid: 'k' },
          payload: claims,
          signature: Buffer.alloc(32, 1),
        }),
    ],
    ['is for another client', (claims) => signedToken(people.key, { ...claims, aud: 'grafana' })],
    [
      'is for several clients and authorized for another one',
      (claims) => signedToken(people.key, { ...claims, aud: [CLIENT, 'grafana'], azp: 'grafana' }),
    ],
    [
      'is of another issuer with the same key',
      (claims) => signedToken(people.key, { ...claims, iss: people.other.url }),
    ],
    [
      'is of an issuer whose name begins like this one',
      (claims) => signedToken(people.key, { ...claims, iss: `${people.corp.url}/` }),
    ],
    ['is of another login', (claims) => signedToken(people.key, { ...claims, nonce: 'other' })],
    ['has no nonce', (claims) => signedToken(people.key, without(claims, 'nonce'))],
    [
      'has expired',
      (claims) => signedToken(people.key, { ...claims, exp: Number(claims['iat']) - 60 }),
    ],
    ['never expires', (claims) => signedToken(people.key, without(claims, 'exp'))],
    [
      'is issued in the future',
      (claims) => signedToken(people.key, { ...claims, nbf: Number(claims['iat']) + 600 }),
    ],
    ['has no subject', (claims) => signedToken(people.key, without(claims, 'sub'))],
  ])('is refused if it %s (O04)', async (_what, forge) => {
    const { login, answer, claims } = await reached();
    answerWith(forge(claims));
    await expectDenied(people.api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'login_refused',
      unechoed: [login],
      send: () => people.finish(login, answer),
    });
  });

  it.each<[string, string, (claims: Claims) => unknown]>([
    [
      'expires at a number that is not finite',
      'exp_invalid',
      (claims) => signedToken(people.key, changed(claims, 'exp', '1e999')),
    ],
    [
      'expires at a fraction of a second',
      'exp_invalid',
      (claims) => signedToken(people.key, { ...claims, exp: Number(claims['exp']) + 0.5 }),
    ],
    [
      'was issued in the future',
      'not_yet_valid',
      (claims) => signedToken(people.key, { ...claims, iat: Number(claims['iat']) + 120 }),
    ],
    [
      'begins with a byte order mark',
      'malformed',
      (claims) => signedToken(people.key, `\uFEFF${JSON.stringify(claims)}`),
    ],
    [
      'has a subject twice',
      'duplicate_claim',
      (claims) => signedToken(people.key, `{"sub":"root",${JSON.stringify(claims).slice(1)}`),
    ],
    ['is padded', 'not_canonical', (claims) => `${signedToken(people.key, claims)}==`],
    [
      'is for this client alone and authorized for another one',
      'azp_mismatch',
      (claims) => signedToken(people.key, { ...claims, azp: 'grafana' }),
    ],
    [
      'says that the person will authenticate later',
      'auth_time',
      (claims) => signedToken(people.key, { ...claims, auth_time: Number(claims['iat']) + 3_600 }),
    ],
    [
      'has the time of the authentication in milliseconds',
      'auth_time',
      (claims) => signedToken(people.key, { ...claims, auth_time: Number(claims['iat']) * 1000 }),
    ],
    [
      'has a time of the authentication with a fraction',
      'auth_time',
      (claims) => signedToken(people.key, { ...claims, auth_time: Number(claims['iat']) - 0.5 }),
    ],
    [
      'contains a key',
      'key_not_trusted',
      (claims) =>
        rawToken({
          header: { alg: 'ES256', kid: 'k', jwk: people.key.jwk },
          payload: claims,
          key: people.key,
        }),
    ],
  ])('is refused if it %s, as the token of a pod is (O04)', async (_what, reason, forge) => {
    const { login, answer, claims } = await reached();
    answerWith(forge(claims));
    await expectDenied(people.api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason,
      unechoed: [login],
      send: () => people.finish(login, answer),
    });
  });

  it('is accepted without the id of a key, if the issuer has only one', async () => {
    const { login, answer, claims } = await reached();
    answerWith(rawToken({ header: { alg: 'ES256' }, payload: claims, key: people.key }));
    expect((await people.finish(login, answer)).status).toBe(201);
  });

  it('is refused in the device flow too, if another key signed it (O04)', async () => {
    const { body } = await people.api.call('POST', '/api/v1/logins', { body: { issuer: 'corp' } });
    const { claims } = await reached();
    answerWith(signedToken(stranger, without(claims, 'nonce')));
    const { login } = body as { readonly login: string };
    await expectDenied(people.api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'login_refused',
      unechoed: [login],
      send: () => people.finish(login),
    });
  });

  it('opens one session, however often the issuer answers the same code (O40)', async () => {
    const { login, answer, claims } = await reached();
    answerWith(signedToken(people.key, claims));
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => people.finish(login, answer)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 401, 401, 401, 401]);
    const token = answers.find(({ status }) => status === 201)?.body.token as string;
    await people.api.call('DELETE', '/api/v1/logins/self', { token });
    await expectDenied(people.api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason: 'login_finished',
      unechoed: [login],
      send: () => people.finish(login, answer),
    });
  });

  it('is refused if it is the one of an earlier login of the same person (O04)', async () => {
    const first = await reached();
    const token = signedToken(people.key, first.claims);
    answerWith(token);
    expect((await people.finish(first.login, first.answer)).status).toBe(201);
    people.corp.intercept = undefined;
    const second = await reached();
    answerWith(token);
    expect((await people.finish(second.login, second.answer)).status).toBe(401);
  });

  it('does not satisfy a step-up if the person authenticated too long ago', async () => {
    const { login, answer, claims } = await reached({ stepUp: true });
    const old = Number(claims['iat']) - 3_600;
    answerWith(signedToken(people.key, { ...claims, acr: 'urn:mfa', auth_time: old }));
    expect((await people.finish(login, answer)).status).toBe(401);
  });
});

describe('an answer of one issuer in a login at another one', () => {
  it('is refused, although both sign with the same key (O04)', async () => {
    const { login } = await people.begin();
    const { address } = await people.begin({ issuer: 'other' });
    const answer = queryOf(await people.other.browse(address));
    expect((await people.finish(login, answer)).status).toBe(401);
  });
});
