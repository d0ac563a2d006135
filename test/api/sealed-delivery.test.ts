import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import type { RunningApi } from '../kit/api/running-api.ts';
import {
  BOUND_SECRET as DB,
  BOUND_VALUE as CANARY,
  jtiOf,
  Sender,
  startWithBound,
  BoundSession,
} from '../kit/identity/proof-sender.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let bound: BoundSession;
beforeAll(async () => {
  ({ api, bound } = await startWithBound());
});
afterAll(() => api.stop());

describe('a login with a proof', () => {
  it('binds the session to the key and reports it', async () => {
    const read = await bound.call('GET', '/api/v1/sessions/self');
    const thumbprint = await bound.sender.thumbprint();
    expect(read.body.session.keyThumbprint).toBe(thumbprint);
    const entries = await storedEntries(api.broker.parts.store);
    const opened = entries.filter(({ action }) => action === 'session.create');
    expect(opened.map((entry) => entry['keyThumbprint'])).toContain(thumbprint);
  });

  it('is the only way to bind: without a proof the session is unbound', async () => {
    const token = await api.logIn();
    const read = await api.call('GET', '/api/v1/sessions/self', { token });
    expect(read.body.session).not.toHaveProperty('keyThumbprint');
    expect((await api.call('GET', DB, { token })).body.data).toEqual({ password: CANARY });
  });

  it('accepts a key that another session is bound to', async () => {
    const again = await BoundSession.open(api, bound.sender);
    expect(again.token).not.toBe(bound.token);
    expect((await again.call('GET', DB)).status).toBe(200);
    expect((await bound.call('GET', DB)).status).toBe(200);
  });

  it.each<readonly [string, string, (sender: Sender, url: string) => string]>([
    [
      'of another address',
      'dpop_htu',
      (sender, url) => sender.proof({ method: 'POST', url: `${url}/self` }),
    ],
    [
      'that is old',
      'dpop_iat',
      (sender, url) =>
        sender.proof({ method: 'POST', url, at: Math.floor(Date.now() / 1000) - 300 }),
    ],
    [
      'signed with another key',
      'dpop_signature',
      (sender, url) => sender.proof({ method: 'POST', url }, { signedBy: new Sender() }),
    ],
    [
      'for a request of a session',
      'dpop_ath',
      (sender, url) => sender.proof({ method: 'POST', url, token: 'x' }),
    ],
    ['that is empty', 'dpop_malformed', () => ''],
    [
      'twice in one header',
      'dpop_malformed',
      (sender, url) =>
        `${sender.proof({ method: 'POST', url })}, ${sender.proof({ method: 'POST', url })}`,
    ],
  ])('%s opens no session, not even an unbound one', async (_why, reason, make) => {
    const proof = make(new Sender(), `${api.url}/api/v1/sessions`);
    const body = { cluster: 'c1', token: api.serviceAccountToken() };
    const entry = await expectDenied(api, {
      status: 401,
      code: 'ERR_TOKEN_INVALID',
      reason,
      unechoed: [reason, ...(proof === '' ? [] : [proof])],
      send: () => api.call('POST', '/api/v1/sessions', { body, headers: { DPoP: proof } }),
    });
    expect(entry).toMatchObject({ action: 'session.create', actor: { kind: 'unauthenticated' } });
  });
});

describe('an answer with values', () => {
  it('is encrypted to the key of the session and bound to the request', async () => {
    const headers = bound.headers('GET', DB);
    const answer = await api.call('GET', DB, { headers });
    expect(answer).toMatchObject({ status: 200, headers: { 'content-type': 'application/jose' } });
    const { header, body } = await bound.opened(answer);
    expect(header).toMatchObject({
      alg: 'ECDH-ES',
      enc: 'A256GCM',
      cty: 'json',
      kid: await bound.sender.thumbprint(),
      jti: jtiOf(headers['DPoP']),
    });
    expect(body).toMatchObject({ path: 'app/db', version: '1', data: { password: CANARY } });
    await expect(new Sender().open(answer.text)).rejects.toThrow();
  });

  it('is encrypted as a whole if it answers a batch, failures included', async () => {
    const items = [{ path: 'app/db' }, { path: 'app/nowhere' }, { path: 'other/x' }];
    const answer = await bound.call('POST', '/api/v1/secrets:batch', { items });
    expect(answer.headers['content-type']).toBe('application/jose');
    const { body } = await bound.opened(answer);
    expect(body).toMatchObject({
      items: [
        { data: { password: CANARY } },
        { error: { code: 'ERR_NOT_FOUND' } },
        { error: { code: 'ERR_DENIED' } },
      ],
    });
  });

  it('is encrypted for a request with a query too, which the proof does not name', async () => {
    const answer = await bound.call('GET', `${DB}?version=1`);
    expect((await bound.opened(answer)).body).toMatchObject({ data: { password: CANARY } });
  });

  it('has no value in its bytes, and other answers are not encrypted', async () => {
    const sealed = await bound.call('GET', DB);
    const decoded = sealed.text
      .split('.')
      .map((part) => Buffer.from(part, 'base64url').toString('latin1'));
    for (const text of [sealed.text, ...decoded]) expect(text).not.toContain(CANARY);
    for (const path of [
      '/api/v1/secrets',
      '/api/v1/secret-versions/app/db',
      '/api/v1/sessions/self',
    ]) {
      expect((await bound.call('GET', path)).headers['content-type']).toBe('application/json');
    }
    const missing = await bound.call('GET', '/api/v1/secrets/app/none');
    expect(missing).toMatchObject({ status: 404, body: { code: 'ERR_NOT_FOUND' } });
  });
});

describe('a bound session', () => {
  it('is renewed with its proof, and stays bound', async () => {
    const held = await BoundSession.open(api);
    const before = await held.call('GET', '/api/v1/sessions/self');
    const token = api.serviceAccountToken({ lifetimeSeconds: 900 });
    const renewed = await held.call('POST', '/api/v1/sessions/self/renew', { token });
    expect(renewed.status).toBe(200);
    const { keyThumbprint, endsAt } = renewed.body.session as Record<string, string>;
    expect(keyThumbprint).toBe(await held.sender.thumbprint());
    expect(endsAt! > (before.body.session.endsAt as string)).toBe(true);
    expect((await held.opened(await held.call('GET', DB))).body).toMatchObject({ path: 'app/db' });
  });

  it('refuses proofs from before its renewal', async () => {
    const held = await BoundSession.open(api);
    const headers = held.headers('GET', DB);
    expect((await api.call('GET', DB, { headers })).status).toBe(200);
    const token = api.serviceAccountToken({ lifetimeSeconds: 900 });
    await held.call('POST', '/api/v1/sessions/self/renew', { token });
    expect((await api.call('GET', DB, { headers })).status).toBe(401);
  });

  it('is closed like any other', async () => {
    const held = await BoundSession.open(api);
    expect((await held.call('DELETE', '/api/v1/sessions/self')).status).toBe(204);
    expect((await held.call('GET', DB)).status).toBe(401);
  });

  it('follows events with a valid proof', async () => {
    const held = await BoundSession.open(api);
    await held.call('GET', DB);
    const headers = held.headers('GET', '/api/v1/events');
    const opened = await EventReader.open(api.url, headers);
    if (!(opened instanceof EventReader)) throw new Error(await opened.text());
    await opened.next('ready');
    await held.call('PUT', DB, { data: { password: CANARY } });
    expect((await opened.next('secret.changed')).data).toEqual({ path: 'app/db' });
    opened.close();
    const replayed = await EventReader.open(api.url, headers);
    expect((replayed as Response).status).toBe(401);
  });
});

describe('a policy that requires sealed delivery', () => {
  beforeAll(async () => {
    const rule = { paths: ['app/card/**'], capabilities: ['read'] };
    await api.put('policies/cards', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'cards' },
      spec: {
        subjects: [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] }],
        rules: [{ ...rule, effect: 'deny', conditions: { sealedDelivery: false } }],
      },
    });
    await bound.call('PUT', '/api/v1/secrets/app/card/1', { data: { pan: CANARY } });
  });

  it('refuses callers that would receive values in the clear (O25)', async () => {
    const token = await api.logIn();
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'denied_by_rule',
      send: () => api.call('GET', '/api/v1/secrets/app/card/1', { token }),
    });
    expect((await bound.call('GET', '/api/v1/secrets/app/card/1')).status).toBe(200);
  });

  it('can be tested with a policy test', async () => {
    const question = {
      workload: { cluster: 'c1', namespace: 'prod', serviceAccount: 'api' },
      capability: 'read',
      path: 'app/card/1',
      sourceAddress: '10.0.0.1',
    };
    const effectOf = async (more: object): Promise<string> => {
      const body = { ...question, ...more };
      const answer = await api.call('POST', '/api/v1/policies:explain', { token: api.admin, body });
      return answer.body.decision.effect as string;
    };
    expect(await effectOf({ sealed: true })).toBe('allow');
    expect(await effectOf({ sealed: false })).toBe('deny');
    expect(await effectOf({})).toBe('deny');
  });
});
