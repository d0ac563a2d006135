import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, type Answered, type RunningApi } from '../kit/api/running-api.ts';
import { ALICE, PeopleApi, queryOf } from '../kit/identity/people-api.ts';
import { Sender, type ProofChange } from '../kit/identity/proof-sender.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

const FINISH = '/api/v1/logins:finish';
const SELF = '/api/v1/operator-tokens/self';

let people: PeopleApi;
let api: RunningApi;
let sender: Sender;
let token: string;
const clock = new HandClock(Date.now());

beforeAll(async () => {
  people = await PeopleApi.start(clock);
  ({ api } = people);
  people.corp.user = ALICE;
  sender = new Sender();
  const { status, body } = await (await reached()).finish(sender);
  expect(status).toBe(201);
  expect(body.keyThumbprint).toBe(await sender.thumbprint());
  token = body.token as string;
});
afterAll(() => people.stop());

const seconds = (): number => Math.floor(clock.now() / 1000);

/** A login for the key of `owner` that waits to be finished. */
async function reached(owner: Sender | null = sender) {
  const { login, address } = await people.begin(
    owner === null ? {} : { keyThumbprint: await owner.thumbprint() },
  );
  const answer = queryOf(await people.corp.browse(address));
  const finish = (by?: Sender, change?: ProofChange): Promise<Answered> => {
    const proof = by?.proof({ method: 'POST', url: `${api.url}${FINISH}`, at: seconds() }, change);
    return api.call('POST', FINISH, {
      body: { login, answer },
      ...(proof !== undefined && { headers: { DPoP: proof } }),
    });
  };
  return { login, finish };
}

interface Entry {
  readonly method?: string;
  readonly keyThumbprint?: string;
}

interface Sent {
  readonly by?: Sender;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Headers of a request with a proof. */
function proven(method: string, path: string, { by = sender, headers = {} }: Sent = {}) {
  const url = `${api.url}${path}`;
  const proof = by.proof({ method, url, token, at: seconds() });
  return { ...headers, Authorization: `DPoP ${token}`, DPoP: proof };
}

const send = (method: string, path: string, sent: Sent = {}): Promise<Answered> =>
  api.call(method, path, { headers: proven(method, path, sent), body: sent.body });

/** Expects that the API refuses the request, for this reason in the log. */
const refuses = (
  reason: string,
  request: () => Promise<Answered>,
  code: string,
): Promise<unknown> =>
  expectDenied(api, { status: 401, code, reason, unechoed: [token], send: request });

describe('a login that was begun for a key', () => {
  it.each<
    [string, string, (finish: Awaited<ReturnType<typeof reached>>['finish']) => Promise<Answered>]
  >([
    ['without a proof', 'dpop_missing', (finish) => finish()],
    ['with a proof of another key', 'dpop_key', (finish) => finish(new Sender())],
    [
      'with a proof that another key signed',
      'dpop_signature',
      (finish) => finish(sender, { signedBy: new Sender() }),
    ],
    [
      'with a proof for another address',
      'dpop_htu',
      (finish) => finish(sender, { claims: { htu: `${api.url}/x` } }),
    ],
    [
      'with an old proof',
      'dpop_iat',
      (finish) => finish(sender, { claims: { iat: seconds() - 120 } }),
    ],
  ])(
    'is not finished %s, and is finished with its key afterwards (O41)',
    async (_what, reason, attempt) => {
      const { finish } = await reached();
      await refuses(reason, () => attempt(finish), 'ERR_TOKEN_INVALID');
      expect((await finish(sender)).status).toBe(201);
    },
  );

  it('is not bound to a key that the login did not name', async () => {
    const { finish } = await reached(null);
    expect((await finish()).status).toBe(201);
    const { login, address } = await people.begin();
    const answer = queryOf(await people.corp.browse(address));
    const DPoP = sender.proof({ method: 'POST', url: `${api.url}${FINISH}`, at: seconds() });
    const attempt = (): Promise<Answered> =>
      api.call('POST', FINISH, { body: { login, answer }, headers: { DPoP } });
    await refuses('dpop_key', attempt, 'ERR_TOKEN_INVALID');
  });

  it('is refused for a thumbprint of another form', async () => {
    const body = { issuer: 'corp', keyThumbprint: 'x' };
    expect((await api.call('POST', '/api/v1/logins', { body })).status).toBe(400);
  });
});

describe('the session of a person that is bound to a key', () => {
  it('works with its proof, says that it is bound, and stays bound when it is prolonged', async () => {
    const thumbprint = await sender.thumbprint();
    expect((await send('GET', SELF)).body.keyThumbprint).toBe(thumbprint);
    clock.advance(45 * 60_000);
    expect((await send('GET', SELF)).status).toBe(200);
    clock.advance(45 * 60_000);
    expect((await send('GET', SELF)).body.keyThumbprint).toBe(thumbprint);
    await refuses('dpop_scheme', () => api.call('GET', SELF, { token }), 'ERR_UNAUTHENTICATED');
  });

  it.each<[string, string, () => Promise<Answered>]>([
    ['as a bearer token', 'dpop_scheme', () => api.call('GET', SELF, { token })],
    [
      'without a proof',
      'dpop_missing',
      () => api.call('GET', SELF, { headers: { Authorization: `DPoP ${token}` } }),
    ],
    ['with a proof of another key', 'dpop_key', () => send('GET', SELF, { by: new Sender() })],
    [
      'with the proof of another request',
      'dpop_htm',
      () => api.call('GET', SELF, { headers: proven('POST', SELF) }),
    ],
  ])('is refused %s (O41)', async (_what, reason, request) => {
    await refuses(reason, request, 'ERR_UNAUTHENTICATED');
  });

  it('is refused with a proof that was used before (O41)', async () => {
    const headers = proven('GET', SELF);
    expect((await api.call('GET', SELF, { headers })).status).toBe(200);
    await refuses('dpop_replayed', () => api.call('GET', SELF, { headers }), 'ERR_UNAUTHENTICATED');
  });

  it('cannot be opened by a proof for a bearer token of an operator', async () => {
    const url = `${api.url}${SELF}`;
    const proof = sender.proof({ method: 'GET', url, token: api.admin, at: seconds() });
    const headers = { Authorization: `DPoP ${api.admin}`, DPoP: proof };
    await refuses('dpop_unbound', () => api.call('GET', SELF, { headers }), 'ERR_UNAUTHENTICATED');
  });

  it('gets values only sealed to its key (O41)', async () => {
    const session = await api.logIn();
    const value = { data: { password: 'canary-8d20' } };
    await api.call('PUT', '/api/v1/secrets/app/db', { token: session, body: value });
    await api.put('role-bindings/reader', {
      issuer: 'corp',
      subjects: ['alice'],
      grants: [{ role: 'secret-reader', scope: [] }],
    });
    const headers = proven('GET', '/api/v1/secrets/app/db');
    const answer = await fetch(`${api.url}/api/v1/secrets/app/db`, { headers });
    const text = await answer.text();
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/jose']);
    expect(text).not.toContain('canary-8d20');
    const { plaintext } = await sender.open(text);
    expect(Buffer.from(plaintext).toString()).toContain('canary-8d20');
  });

  it('gets the demand for a recent login as a challenge of its own scheme', async () => {
    const answer = await send('DELETE', '/api/v1/policies/absent', {
      headers: { 'If-Match': '*' },
    });
    expect([answer.status, answer.body.code]).toEqual([401, 'ERR_STEP_UP_REQUIRED']);
    expect(answer.headers['www-authenticate']).toMatch(
      /^DPoP error="insufficient_user_authentication"/,
    );
  });

  it('is in the log with its key, and a token of an operator as a bearer token', async () => {
    await api.operator('pipeline', [{ role: 'auditor' }]);
    const entriesOf = async (query: string): Promise<readonly Entry[]> => {
      const path = `/api/v1/audit/entries?action=operator-token.create&outcome=ok&${query}`;
      return itemsOf(await api.call('GET', path, { token: api.admin })).map(
        ({ entry }) => entry as Entry,
      );
    };
    const own = await entriesOf('operator=oidc:corp/alice');
    expect(own.map(({ method }) => method)).toEqual(expect.arrayContaining(['dpop', 'bearer']));
    const thumbprint = await sender.thumbprint();
    for (const { method, keyThumbprint } of own) {
      expect(keyThumbprint).toBe(method === 'dpop' ? thumbprint : undefined);
    }
    const [minted] = await entriesOf('operator=bootstrap');
    expect(minted).toMatchObject({ method: 'bearer' });
    expect(minted).not.toHaveProperty('keyThumbprint');
  });
});

// The last suite: nothing else works afterwards.
describe('a sealed broker', () => {
  it('names the operator and the reason of the seal only to the holder of the key', async () => {
    expect((await send('GET', SELF)).status).toBe(200);
    await api.call('POST', '/api/v1/seal', { token: api.admin, body: { reason: 'INC-9' } });
    const stolen = await api.call('GET', SELF, { token });
    const forged = await send('GET', SELF, { by: new Sender() });
    for (const { status, text } of [stolen, forged]) {
      expect(status).toBe(503);
      expect(text).not.toMatch(/bootstrap|INC-9/);
    }
    const { status, text } = await send('GET', SELF);
    expect(status).toBe(503);
    expect(text).toMatch(/sealed by bootstrap at \S+, reason: INC-9;/);
  });
});
