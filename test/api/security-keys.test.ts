import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { listSecurityKeys, authenticateKey } from '../../src/broker/state/security-key-rows.ts';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { HandClock } from '../kit/time/hand-clock.ts';
import { itemsOf, type Answered, type RunningApi } from '../kit/api/running-api.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { SoftwareKey, type Deviation, type KeyOrder } from '../kit/identity/software-key.ts';

const ORIGIN = 'https://broker.example';
const KEYS = '/api/v1/security-keys';
const MAX_AGE_MS = 300_000;

let people: PeopleApi;
let api: RunningApi;
const clock = new HandClock(Date.now());

beforeAll(async () => {
  people = await PeopleApi.start(
    clock,
    { publicUrl: ORIGIN },
    { corp: { secondFactor: 'webauthn' } },
  );
  ({ api } = people);
  await api.put('role-bindings/everyone', {
    issuer: 'corp',
    claims: { groups: ['proven'] },
    amr: ['webauthn'],
    grants: [{ role: 'auditor', scope: [] }],
  });
});
afterAll(() => people.stop());

let persons = 0;
/** A person of its own for each test, with a recent login. */
beforeEach(() => {
  persons += 1;
  people.corp.user = { ...ALICE, sub: `alice${persons}`, amr: ['pwd'] };
});

const send = (token: string, verb: string, body: object): Promise<Answered> =>
  api.call('POST', `${KEYS}${verb}`, { token, body });
const list = (token: string, query = ''): Promise<Answered> =>
  api.call('GET', `${KEYS}${query}`, { token });

async function begin(token: string, purpose: 'register' | 'prove'): Promise<KeyOrder> {
  const label = purpose === 'register' ? { label: 'laptop' } : {};
  const { status, text, body } = await send(token, ':begin', { purpose, ...label });
  expect([status, text]).toEqual([200, expect.any(String)]);
  return body as KeyOrder;
}

async function add(token: string, key = new SoftwareKey(ORIGIN)): Promise<SoftwareKey> {
  const answer = await send(token, ':finish', key.register(await begin(token, 'register')));
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  return key;
}

async function prove(token: string, key: SoftwareKey, wrong?: Deviation): Promise<Answered> {
  return send(token, ':finish', key.prove(await begin(token, 'prove'), wrong));
}

/** A dangerous operation that fails for another reason once it is allowed. */
const dangerous = (token: string): Promise<Answered> =>
  api.call('DELETE', '/api/v1/quarantines/qua_none?reason=over', { token });

const isAllowed = async (token: string): Promise<boolean> => {
  const { status } = await dangerous(token);
  expect([401, 404]).toContain(status);
  return status === 404;
};

/** The answer is refused, and the reason is in the audit log only. */
const refuses = (reason: string, token: string, answer: object): Promise<unknown> =>
  expectDenied(api, {
    status: 403,
    code: 'ERR_DENIED',
    reason,
    unechoed: [],
    send: () => send(token, ':finish', answer),
  });

function logIn(): Promise<string> {
  const authTime = Math.floor(clock.now() / 1000);
  people.corp.user = { ...people.corp.user, authTime };
  return people.logIn({ stepUp: true });
}

describe('a person whose issuer proves no second factor', () => {
  it('registers a key after a recent login, and does dangerous operations with it', async () => {
    const token = await logIn();
    const { status, headers, body } = await dangerous(token);
    expect([status, body]).toMatchObject([401, { code: 'ERR_STEP_UP_REQUIRED' }]);
    expect((body as { detail: string }).detail).toContain('quaymaster second-factor add');
    expect(headers['www-authenticate']).toBe(
      'Bearer error="insufficient_user_authentication", acr_values="webauthn", max_age="300"',
    );
    const key = await add(token);
    expect(await isAllowed(token)).toBe(true);
    clock.advance(MAX_AGE_MS + 1);
    expect(await isAllowed(token)).toBe(false);
    expect((await prove(token, key)).status).toBe(200);
    expect(await isAllowed(token)).toBe(true);
    const listed = await list(token);
    expect(itemsOf(listed)).toMatchObject([{ label: 'laptop', usedAt: expect.any(String) }]);
    expect(listed.body).toMatchObject({ secondFactor: 'webauthn', provenAt: expect.any(String) });
  });

  it('proves a key in each session', async () => {
    const first = await logIn();
    const key = await add(first);
    const second = await logIn();
    expect([await isAllowed(first), await isAllowed(second)]).toEqual([true, false]);
    expect((await prove(second, key)).status).toBe(200);
    expect(await isAllowed(second)).toBe(true);
  });

  it('gets a role of a binding with amr: [webauthn] only with the proof, whatever the issuer says (O28)', async () => {
    const user = people.corp.user;
    people.corp.user = { ...user, claims: { groups: ['proven'] }, amr: ['pwd', 'webauthn'] };
    const token = await logIn();
    const checkpoint = async (): Promise<number> =>
      (await api.call('GET', '/api/v1/audit/checkpoint', { token })).status;
    expect(await checkpoint()).toBe(403);
    await add(token);
    expect(await checkpoint()).toBe(200);
  });

  it('adds a first key only after a recent login, and a further one only with a proof (O28)', async () => {
    const old = await logIn();
    clock.advance(MAX_AGE_MS + 31_000);
    const order = { purpose: 'register', label: 'late' };
    const late = await send(old, ':begin', order);
    expect([late.status, late.headers['www-authenticate']]).toEqual([
      401,
      'Bearer error="insufficient_user_authentication", max_age="300"',
    ]);
    const token = await logIn();
    const key = await add(token);
    const second = await logIn();
    expect((await send(second, ':begin', order)).headers['www-authenticate']).toContain(
      'acr_values="webauthn"',
    );
    await prove(second, key);
    await add(second);
    expect(itemsOf(await list(second))).toHaveLength(2);
  });

  it('has at most ten keys, also when two sessions begin before the last one (O28)', async () => {
    const token = await logIn();
    const first = await add(token);
    const { store, rows } = api.broker.parts;
    const [own] = await listSecurityKeys(
      { store, rows, clock },
      `oidc:corp/${people.corp.user.sub}`,
    );
    const more = Array.from({ length: 8 }, (_, index) => ({ ...own!, id: `key_${index}` }));
    await store.commit({
      writes: more.map((key) => ({ table: 'security_keys', put: authenticateKey({ rows }, key) })),
    });
    const second = await logIn();
    await prove(second, first);
    const key = new SoftwareKey(ORIGIN);
    const other = new SoftwareKey(ORIGIN);
    const answers = [
      key.register(await begin(token, 'register')),
      other.register(await begin(second, 'register')),
    ] as const;
    expect((await send(token, ':finish', answers[0])).status).toBe(200);
    expect((await send(second, ':finish', answers[1])).status).toBe(409);
    expect(itemsOf(await list(token))).toHaveLength(10);
    const refused = await send(token, ':begin', { purpose: 'register', label: 'one more' });
    expect([refused.status, (refused.body as { code: string }).code]).toEqual([
      409,
      'ERR_CONFLICT',
    ]);
  });

  it('keeps the proof while the session is used', async () => {
    const token = await logIn();
    const key = await add(token);
    clock.advance(1_800_000);
    expect((await list(token)).status).toBe(200);
    await prove(token, key);
    clock.advance(1_000);
    expect(await isAllowed(token)).toBe(true);
  });
});

describe('an answer of a security key', () => {
  it.each<[string, Deviation]>([
    ['of another origin', { origin: 'https://broker.example.evil.test' }],
    ['of another RP ID', { rpId: 'evil.test' }],
    ['to another challenge', { challenge: 'AAAA' }],
    ['of another type', { type: 'webauthn.create' }],
    ['without user verification', { isVerified: false }],
    ['without user presence', { isPresent: false, isVerified: false }],
  ])('is refused %s (O26)', async (_what, wrong) => {
    const token = await logIn();
    const key = await add(token);
    clock.advance(MAX_AGE_MS + 1);
    await refuses('security_key', token, key.prove(await begin(token, 'prove'), wrong));
    expect(await isAllowed(token)).toBe(false);
    const type = wrong.type === undefined ? wrong : { type: 'webauthn.get' };
    const fresh = await logIn();
    await prove(fresh, key);
    const other = new SoftwareKey(ORIGIN);
    await refuses('security_key', fresh, other.register(await begin(fresh, 'register'), type));
    expect(itemsOf(await list(fresh))).toHaveLength(1);
  });

  it('is refused with a tampered signature, and with tampered data (O26)', async () => {
    const token = await logIn();
    const key = await add(token);
    const answer = key.prove(await begin(token, 'prove'));
    const signature = Buffer.from(answer.signature, 'base64url');
    signature[signature.length - 1]! ^= 1;
    await refuses('security_key', token, { ...answer, signature: signature.toString('base64url') });
    const data = Buffer.from(answer.authenticatorData, 'base64url');
    data[data.length - 1]! ^= 8;
    await refuses('security_key', token, {
      ...answer,
      authenticatorData: data.toString('base64url'),
    });
    expect((await send(token, ':finish', answer)).status).toBe(200);
  });

  it('is refused if it is not CBOR (O26)', async () => {
    const token = await logIn();
    const answer = new SoftwareKey(ORIGIN).register(await begin(token, 'register'));
    for (const attestationObject of ['AA', '_____', answer.attestationObject.slice(0, 80)]) {
      await refuses('security_key', token, { ...answer, attestationObject });
    }
  });

  it('is refused twice, after five minutes, after a newer challenge, and in another session (O26)', async () => {
    const token = await logIn();
    const key = await add(token);
    const used = key.prove(await begin(token, 'prove'));
    expect((await send(token, ':finish', used)).status).toBe(200);
    await refuses('challenge', token, used);
    const late = key.prove(await begin(token, 'prove'));
    const second = await logIn();
    await refuses('challenge', second, late);
    clock.advance(300_000);
    await refuses('challenge_expired', token, late);
    const older = key.prove(await begin(token, 'prove'));
    await begin(token, 'prove');
    await refuses('security_key', token, older);
    await begin(token, 'prove');
    const registration = new SoftwareKey(ORIGIN).register({
      challenge: 'AAAA',
      rpId: 'broker.example',
    });
    await refuses('challenge', token, registration);
  });

  it('succeeds once when it is sent twice at the same moment (O26)', async () => {
    const token = await logIn();
    const key = await add(token);
    const answer = key.prove(await begin(token, 'prove'));
    const sent = await Promise.all([
      send(token, ':finish', answer),
      send(token, ':finish', answer),
    ]);
    const [accepted, refused] = sent.map(({ status }) => status).sort();
    expect([accepted, [403, 503].includes(refused!)]).toEqual([200, true]);
    await refuses('challenge', token, answer);
  });

  it('is refused of the key of another person, and of an unknown key (O26)', async () => {
    const key = await add(await logIn());
    people.corp.user = { ...people.corp.user, sub: 'mallory' };
    const token = await logIn();
    await add(token);
    await refuses('unknown_key', token, key.prove(await begin(token, 'prove')));
    const unknown = new SoftwareKey(ORIGIN);
    await refuses('unknown_key', token, unknown.prove(await begin(token, 'prove')));
    await refuses('registered', token, key.register(await begin(token, 'register')));
  });

  it('is refused when its counter does not grow, because the key was cloned (O27)', async () => {
    const token = await logIn();
    const key = await add(token);
    expect((await prove(token, key, { counter: 7 })).status).toBe(200);
    for (const counter of [7, 3, 0]) {
      await refuses('counter', token, key.prove(await begin(token, 'prove'), { counter }));
    }
    expect((await prove(token, key, { counter: 8 })).status).toBe(200);
  });

  it('is accepted of a key that does not count (O27)', async () => {
    const token = await logIn();
    const key = new SoftwareKey(ORIGIN);
    const order = await begin(token, 'register');
    await send(token, ':finish', key.register(order, { counter: 0 }));
    for (let times = 0; times < 2; times += 1) {
      expect((await prove(token, key, { counter: 0 })).status).toBe(200);
    }
  });
});

describe('a key', () => {
  const remove = (token: string, id: string, body: object = {}): Promise<Answered> =>
    send(token, `/${id}:remove`, body);
  const idOf = async (token: string): Promise<string> => itemsOf(await list(token))[0]!.id;

  it('is removed by its person with a proof, which ends with the key (O28)', async () => {
    const token = await logIn();
    const key = await add(token);
    const id = await idOf(token);
    const second = await logIn();
    expect((await remove(second, id)).status).toBe(401);
    await prove(second, key);
    expect((await remove(second, id)).status).toBe(204);
    expect([await isAllowed(token), await isAllowed(second)]).toEqual([false, false]);
    expect(itemsOf(await list(token))).toEqual([]);
  });

  it('is removed by an admin with a reason, and everything is in the audit log', async () => {
    const token = await logIn();
    const person = `oidc:corp/${people.corp.user.sub}`;
    await add(token);
    const id = await idOf(token);
    expect(itemsOf(await list(api.admin, `?person=${person}`))).toMatchObject([{ id, person }]);
    expect((await remove(api.admin, id)).status).toBe(400);
    expect((await remove(api.admin, id, { reason: 'lost' })).status).toBe(204);
    expect(await isAllowed(token)).toBe(false);
    const actions = ['register', 'remove'].map((verb) => `security-key.${verb}`);
    for (const action of actions) {
      const found = await api.call('GET', `/api/v1/audit/entries?action=${action}&outcome=ok`, {
        token: api.admin,
      });
      expect(itemsOf(found)[0]).toMatchObject({
        entry: { action, document: { kind: 'operator', name: person }, query: `key=${id}` },
      });
    }
    expect((await add(token)).credentialId).toEqual(expect.any(String));
  });

  it('looks absent to another person, and is listed for admins only (O28)', async () => {
    const id = await idOf(await logIn().then(async (token) => (await add(token), token)));
    const person = `oidc:corp/${people.corp.user.sub}`;
    people.corp.user = { ...people.corp.user, sub: `other${persons}` };
    const token = await logIn();
    await add(token);
    expect((await remove(token, id, { reason: 'x' })).status).toBe(404);
    expect((await remove(token, 'key_00000000000000000000000000000000')).status).toBe(404);
    for (const name of [person, 'oidc:corp/absent']) {
      expect((await list(token, `?person=${name}`)).status).toBe(403);
    }
  });

  it('is not for operator tokens, nor for people whose issuer proves the second factor', async () => {
    const order = { purpose: 'register', label: 'x' };
    expect((await send(api.admin, ':begin', order)).status).toBe(403);
    await api.put('role-bindings/other', {
      issuer: 'other',
      subjects: ['alice'],
      grants: [{ role: 'responder', scope: [] }],
    });
    people.other.user = { ...ALICE, authTime: Math.floor(clock.now() / 1000) };
    const other = await people.logIn({ issuer: 'other', stepUp: true }, people.other);
    expect((await send(other, ':begin', order)).status).toBe(403);
    expect(await isAllowed(other)).toBe(true);
  });
});

describe('the page', () => {
  it('has a strict policy and runs only its own script (O29)', async () => {
    const { status, headers, text } = await api.call('GET', '/second-factor');
    expect(status).toBe(200);
    expect(headers['content-security-policy']).toContain("default-src 'none'; script-src 'self'");
    expect(headers['content-security-policy']).toContain("trusted-types 'none'");
    expect(headers).toMatchObject({
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    });
    expect(text.match(/<script[^>]*>/g)).toEqual(['<script src="/second-factor.js">']);
    expect(text).not.toMatch(/style| on\w+=/);
  });
});
