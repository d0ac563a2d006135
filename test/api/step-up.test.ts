import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ACCESS, type OperationId } from '../../src/api/contract/access.ts';
import { ROLES } from '../../src/domain/identity/principal.ts';
import type { Answered, RunningApi } from '../kit/api/running-api.ts';
import { policy } from '../kit/broker/test-broker.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { HandClock } from '../kit/time/hand-clock.ts';

const STEP_UP = 'ERR_STEP_UP_REQUIRED';

let clock: HandClock;
let people: PeopleApi;
let api: RunningApi;
let alice: string;

beforeAll(async () => {
  clock = new HandClock(Date.now());
  people = await PeopleApi.start(clock);
  ({ api } = people);
  people.corp.user = ALICE;
  const grants = ROLES.map((role) => ({ role }));
  await api.put('role-bindings/all', { issuer: 'corp', subjects: ['alice'], grants });
  alice = await people.logIn({ stepUp: true });
});
afterAll(() => people.stop());

/** Makes the login too old, as late as a session without use may be. */
const age = (): void => clock.advance(400_000);

/** One ends the session, and the answer of the other has no end. */
const LEFT_OUT: readonly OperationId[] = ['endOwnLogin', 'followChanges'];
/** Operations of operators. */
const OPERATIONS = [...ACCESS.keys()].filter((id) => {
  const { who } = ACCESS.get(id)!;
  return (who === 'operator' || who === 'caller') && !LEFT_OUT.includes(id);
});

/** Calls an operation so that it fails after the check of the login, if not before. */
async function codeOf(id: OperationId): Promise<string> {
  const { method, path } = ACCESS.get(id)!;
  const url = path.replace('{path}', 'app/x').replaceAll(/\{\w+\}/g, 'x');
  const body = method === 'GET' || method === 'DELETE' ? {} : { body: { unknown: 1 } };
  const answer = await api.call(method, url, { token: alice, ...body });
  return (answer.body as { readonly code?: string } | undefined)?.code ?? 'no error';
}

const send = (method: 'PUT' | 'POST', path: string, body: unknown, headers = {}) =>
  api.call(method, `/api/v1/${path}`, { token: alice, body, headers });
const create = (path: string, body: object): Promise<Answered> =>
  send('PUT', path, body, { 'If-None-Match': '*' });
const change = (path: string, body: object): Promise<Answered> =>
  send('PUT', path, body, { 'If-Match': '*' });
const codes = (answers: readonly Answered[]): readonly unknown[] =>
  answers.map(({ status, body }) => (body as { readonly code?: string }).code ?? status);

const profile = (mode: string): object => ({
  mode,
  match: { namespaces: ['none'] },
  pod: { serviceAccountToken: 'deny' },
});
const responseRule = (action: string): object => ({ action, match: { namespaces: ['none'] } });
const c2 = {
  connection: 'keys',
  issuer: 'https://c2.test',
  audiences: ['quaymaster'],
  podWatch: false,
};
const mount = (leaseTtl: string): object => ({ prefix: 'm2', connection: 'embedded', leaseTtl });
const everyone = { clusters: ['c1'], namespaces: ['*'], serviceAccounts: ['*'] };
const denyAll = {
  ...policy('deny-all', ['x']),
  spec: {
    subjects: [everyone],
    rules: [{ effect: 'deny', paths: ['**'], capabilities: ['read'] }],
  },
};

describe('a recent login', () => {
  it.each(OPERATIONS)('satisfies %s', async (id) => {
    expect(await codeOf(id)).not.toBe(STEP_UP);
  });

  it('lets a person widen, lift and stop by a change', async () => {
    expect(
      codes([
        await create('policies/p', policy('p', ['app/**'])),
        await create('posture-profiles/p', profile('enforce')),
        await create('response-rules/p', responseRule('quarantine')),
        await create('clusters/c2', c2),
        await create('definitions/app/decoy', { decoy: { action: 'quarantine' } }),
      ]),
    ).toEqual([201, 201, 201, 201, 201]);
  });
});

describe('an old login (O28)', () => {
  beforeAll(age);

  it.each(OPERATIONS)('suffices for %s exactly as the access table says', async (id) => {
    const isRefused = (await codeOf(id)) === STEP_UP;
    expect(isRefused).toBe(ACCESS.get(id)!.stepUp === 'always');
  });

  it('does not suffice for a change that gives access, lifts a protection or stops many', async () => {
    expect(
      codes([
        await change('policies/p', policy('p', ['**'])),
        await create('policies/deny-all', denyAll),
        await change('posture-profiles/p', profile('audit')),
        await change('response-rules/p', responseRule('audit')),
        await change('clusters/c2', { ...c2, issuer: 'https://evil.test' }),
        await create('clusters/c3', { ...c2, issuer: 'https://c3.test' }),
        await create('mounts/m2', mount('1h')),
        await change('definitions/app/decoy', {}),
        await send('POST', 'rotations/app/x:run', { incident: true, comment: 'INC-1' }),
      ]),
    ).toEqual(Array.from({ length: 9 }, () => STEP_UP));
  });

  it('suffices for a change that takes access or changes nothing, and for a dry run', async () => {
    expect(
      codes([
        await change('policies/p', policy('p', ['app/a'])),
        await change('posture-profiles/p', { ...profile('enforce'), description: 'x' }),
        await change('response-rules/p', { ...responseRule('quarantine'), description: 'x' }),
        await change('clusters/c2', { ...c2, maxTokenLifetime: '1h' }),
        await change('definitions/app/decoy', {
          decoy: { action: 'quarantine' },
          description: 'x',
        }),
        await change('policies/p?dryRun=true', policy('p', ['**'])),
      ]),
    ).toEqual([200, 200, 200, 200, 200, 200]);
    const run = await send('POST', 'rotations/app/x:run', {});
    expect(codes([run])).not.toEqual([STEP_UP]);
  });

  it('makes no change of a request that has one for which it does not suffice', async () => {
    const named = (name: string, body: object): object => ({
      kind: 'policy',
      name,
      ifMatch: '*',
      document: JSON.stringify(body),
    });
    const narrow = named('p', policy('p', ['app/a'], { capabilities: ['read'] }));
    const apply = (documents: readonly object[], query = ''): Promise<Answered> =>
      send('POST', `documents:apply${query}`, { documents });
    const wide = named('p', policy('p', ['app/**']));
    expect(codes([await apply([narrow, wide])])).toEqual([STEP_UP]);
    const { body } = await api.call('GET', '/api/v1/policies/p', { token: alice });
    expect(JSON.stringify(body)).toContain('write');
    expect(codes([await apply([narrow]), await apply([wide], '?dryRun=true')])).toEqual([200, 200]);
  });

  it('is not asked for of a token, whatever the token changes', async () => {
    alice = api.admin;
    expect(
      codes([
        await change('policies/p', policy('p', ['**'])),
        await change('posture-profiles/p', profile('audit')),
        await change('clusters/c2', { ...c2, issuer: 'https://other.test' }),
      ]),
    ).toEqual([200, 200, 200]);
  });
});

describe('a configuration with stepUp.secretReads', () => {
  it('needs a recent login for values too, and not for their names', async () => {
    const strict = await PeopleApi.start(new HandClock(Date.now()), {
      stepUp: { maxAgeSeconds: 300, acr: ['urn:mfa'], secretReads: true },
    });
    try {
      const grants = [{ role: 'secret-reader' }];
      await strict.api.put('role-bindings/all', { issuer: 'corp', subjects: ['alice'], grants });
      strict.corp.user = { ...ALICE, acr: 'urn:password' };
      const token = await strict.logIn();
      const read = (more: object): Promise<readonly unknown[]> =>
        Promise.all([
          strict.api.call('GET', '/api/v1/secrets/app/none', { token, ...more }),
          strict.api.call('POST', '/api/v1/secrets:batch', {
            token,
            body: { items: [{ path: 'app/none' }] },
            ...more,
          }),
          strict.api.call('GET', '/api/v1/secrets?prefix=app', { token, ...more }),
        ]).then(codes);
      expect(await read({})).toEqual([STEP_UP, STEP_UP, 200]);
      strict.corp.user = ALICE;
      const recent = await strict.logIn({ stepUp: true });
      const [value, batch] = await read({ token: recent });
      expect([value, batch]).not.toContain(STEP_UP);
    } finally {
      await strict.stop();
    }
  });
});
