import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { itemsOf, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
/** A workload of its own for each test: quarantines of one must not reach another. */
let name: string;
let workload: string;
let tests = 0;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  const editor = await api.operator('editor', [{ role: 'secret-editor' }]);
  const body = { data: { password: 'stolen' } };
  await api.call('PUT', '/api/v1/secrets/app/db', { token: editor, body });
});
afterAll(() => api.stop());
beforeEach(() => {
  tests += 1;
  name = `app-${tests}`;
  workload = `k8s://c1/prod/${name}`;
});

const claims = (pod = `pod-${tests}`) => ({
  serviceAccount: { name, uid: `sa-${tests}` },
  pod: { name: 'app-0', uid: pod },
});
const logIn = (pod?: string): Promise<string> => api.logIn(claims(pod));
const read = (token: string): Promise<Answered> =>
  api.call('GET', '/api/v1/secrets/app/db', { token });
const login = (): Promise<Answered> =>
  api.call('POST', '/api/v1/sessions', {
    body: { cluster: 'c1', token: api.serviceAccountToken(claims()) },
  });
const quarantine = (body: object, token = api.admin): Promise<Answered> =>
  api.call('POST', '/api/v1/quarantines', { token, body });
const end = (body: object, token = api.admin): Promise<Answered> =>
  api.call('POST', '/api/v1/sessions:end', { token, body });
const lift = (id: string, query = '?reason=over'): Promise<Answered> =>
  api.call('DELETE', `/api/v1/quarantines/${id}${query}`, { token: api.admin });
const idOf = ({ body }: Answered): string => body.quarantine.id as string;

describe('a quarantine', () => {
  it('is lifted only with a reason', async () => {
    const made = await quarantine({ kind: 'workload', workload, reason: 'INC-7' });
    for (const query of ['', '?reason=']) {
      const refused = await lift(idOf(made), query);
      expect([refused.status, refused.body.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
    }
    expect((await login()).status).toBe(403);
    expect((await lift(idOf(made))).status).toBe(204);
  });
});

describe('a workload whose leases were revoked', () => {
  it('can log in again and read the same version without a quarantine (L21)', async () => {
    const token = await logIn();
    expect((await read(token)).status).toBe(200);
    const by = { by: 'workload', workload };
    const revoked = await api.call('POST', '/api/v1/leases:revoke', { token: api.admin, body: by });
    expect(revoked.body).toEqual({ revoked: 1, revoking: 0 });
    expect((await read(token)).status).toBe(403);
    const again = await logIn();
    expect((await read(again)).status).toBe(200);

    const made = await quarantine({ kind: 'workload', workload, reason: 'INC-7' });
    expect(made.body).toMatchObject({
      quarantine: { kind: 'workload', subject: workload, reason: 'INC-7', createdBy: 'bootstrap' },
      ended: { sessions: 2, revoked: 1, revoking: 0, streams: 0 },
    });
    expect((await read(again)).status).toBe(401);
    const entry = await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'quarantined',
      unechoed: [idOf(made), 'INC-7'],
      send: login,
    });
    expect(entry).toMatchObject({ action: 'session.create', quarantine: idOf(made), workload });
  });
});

describe('a quarantine of a workload', () => {
  it('refuses every request of its sessions and does not affect others (L21)', async () => {
    const token = await logIn();
    const other = await api.logIn();
    const id = (await read(token)).body.lease.id as string;
    await quarantine({ kind: 'workload', workload, reason: 'x' });
    const asked: readonly (readonly [string, string, object?])[] = [
      ['GET', '/api/v1/secrets/app/db'],
      ['GET', '/api/v1/secrets'],
      ['POST', '/api/v1/secrets:batch', { items: [{ path: 'app/db' }] }],
      ['POST', `/api/v1/leases/${id}/renew`, {}],
      ['GET', '/api/v1/sessions/self'],
      [
        'POST',
        '/api/v1/sessions/self/renew',
        { token: api.serviceAccountToken({ lifetimeSeconds: 900 }) },
      ],
      ['GET', '/api/v1/events'],
    ];
    for (const [method, path, body] of asked) {
      const answer = await api.call(method, path, { token, body });
      expect({ path, status: answer.status }).toEqual({ path, status: 401 });
    }
    expect((await read(other)).status).toBe(200);
  });

  it('closes an event stream and counts it', async () => {
    const token = await logIn();
    const stream = await EventReader.open(api.url, token);
    if (!(stream instanceof EventReader)) throw new Error('no stream');
    await stream.next('ready');
    const made = await quarantine({ kind: 'workload', workload, reason: 'x' });
    expect(made.body.ended).toMatchObject({ sessions: 1, streams: 1 });
    await stream.next('session.ended');
  });

  it('stays the same one when it is requested again, and can only be extended', async () => {
    const ask = (duration?: string): Promise<Answered> =>
      quarantine({ kind: 'workload', workload, reason: 'x', ...(duration && { duration }) });
    const first = await ask('1h');
    const shorter = await ask('5m');
    expect(shorter.body.quarantine).toEqual(first.body.quarantine);
    const longer = await ask('2h');
    expect(idOf(longer)).toBe(idOf(first));
    expect(Date.parse(String(longer.body.quarantine.until))).toBeGreaterThan(
      Date.parse(String(first.body.quarantine.until)),
    );
    const endless = await ask();
    expect(endless.body.quarantine.until).toBeUndefined();
    expect((await ask('1m')).body.quarantine.until).toBeUndefined();
    const listed = await api.call('GET', '/api/v1/quarantines', { token: api.admin });
    expect(itemsOf(listed).filter(({ subject }) => subject === workload)).toHaveLength(1);
  });

  it('can be lifted: the workload logs in again, and its old session stays closed', async () => {
    const token = await logIn();
    const made = await quarantine({ kind: 'workload', workload, reason: 'x' });
    expect((await lift(idOf(made), '?reason=image%20replaced')).status).toBe(204);
    expect((await read(token)).status).toBe(401);
    expect((await read(await logIn())).status).toBe(200);
    expect((await lift(idOf(made))).status).toBe(404);
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.filter((entry) => entry['quarantine'] === idOf(made))).toMatchObject([
      { action: 'quarantine.create', outcome: 'ok', workload, comment: 'x' },
      {
        action: 'quarantine.lift',
        outcome: 'ok',
        workload,
        cause: 'lifted',
        comment: 'image replaced',
      },
      { action: 'quarantine.lift', outcome: 'deny', code: 'ERR_NOT_FOUND' },
    ]);
  });
});

describe('a quarantine of a pod', () => {
  it('does not affect the other pods of its workload', async () => {
    const token = await logIn();
    const sibling = await logIn(`sibling-${tests}`);
    const scope = { kind: 'pod', cluster: 'c1', pod: `pod-${tests}` };
    const made = await quarantine({ ...scope, reason: 'x' });
    expect(made.body).toMatchObject({
      quarantine: { subject: `c1/pod-${tests}` },
      ended: { sessions: 1 },
    });
    expect((await read(token)).status).toBe(401);
    expect((await login()).status).toBe(403);
    expect((await read(sibling)).status).toBe(200);
  });
});

describe('a quarantine of an operator', () => {
  it('refuses every token of the operator at once', async () => {
    const token = await api.operator(`op-${tests}`, [{ role: 'auditor' }]);
    const own = (): Promise<Answered> => api.call('GET', '/api/v1/operator-tokens/self', { token });
    expect((await own()).status).toBe(200);
    const scope = { kind: 'operator', operator: `op-${tests}`, reason: 'x' };
    const made = await quarantine(scope);
    await expectDenied(api, {
      status: 401,
      code: 'ERR_UNAUTHENTICATED',
      reason: 'quarantined',
      send: own,
    });
    await lift(idOf(made));
    expect((await own()).status).toBe(200);
  });

  it('is refused for the caller, for the last admin, and for an unknown name (L24)', async () => {
    const responder = await api.operator(`resp-${tests}`, [{ role: 'responder' }]);
    const of = (operator: string) => ({ kind: 'operator', operator, reason: 'x' });
    const cases: readonly (readonly [object, number, string])[] = [
      [of(`resp-${tests}`), 409, 'yourself'],
      [of('bootstrap'), 409, 'last admin'],
      [of('bootstrpa'), 400, 'no operator \\"bootstrpa\\"'],
      [{ kind: 'workload', workload: 'k8s://c2/a/b', reason: 'x' }, 400, 'no cluster'],
    ];
    for (const [body, status, text] of cases) {
      const answer = await quarantine(body, responder);
      expect(answer.status).toBe(status);
      expect(answer.text).toContain(text);
    }
    await api.operator(`admin-${tests}`, [{ role: 'admin' }]);
    const made = await quarantine(of(`admin-${tests}`), responder);
    expect(made.status).toBe(200);
    expect((await quarantine(of('bootstrap'), responder)).status).toBe(409);
    await lift(idOf(made));
  });
});

describe('quarantines and closed sessions', () => {
  it.each([
    { role: 'auditor' },
    { role: 'rotator' },
    { role: 'policy-editor' },
    { role: 'responder', scope: ['app'] },
  ])('are refused for %j', async (grant) => {
    const token = await api.operator(`no-${tests}`, [grant]);
    const wishes: readonly (readonly [string, object])[] = [
      ['/api/v1/quarantines', { kind: 'workload', workload, reason: 'x' }],
      ['/api/v1/sessions:end', { by: 'workload', workload }],
    ];
    for (const [path, body] of wishes) {
      await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        reason: 'no_role',
        send: () => api.call('POST', path, { token, body }),
      });
    }
    const deleted = await api.call('DELETE', '/api/v1/quarantines/qua_x?reason=over', { token });
    expect(deleted.status).toBe(403);
  });

  it.each([
    ['/api/v1/quarantines', { kind: 'workload', workload: 'k8s://c1/*/api', reason: 'x' }],
    ['/api/v1/quarantines', { kind: 'workload', workload: 'k8s://c1/prod/api' }],
    ['/api/v1/quarantines', { kind: 'workload', workload: 'k8s://c1/prod/api', reason: '' }],
    ['/api/v1/quarantines', { kind: 'pod', pod: 'p', reason: 'x' }],
    ['/api/v1/quarantines', { kind: 'cluster', cluster: 'c1', reason: 'x' }],
    ['/api/v1/sessions:end', { by: 'source', source: '10.0.0.1/8' }],
    ['/api/v1/sessions:end', { by: 'source', source: '' }],
    ['/api/v1/sessions:end', { by: 'pod', pod: 'p' }],
    ['/api/v1/sessions:end', { by: 'workload', workload: '*' }],
    ['/api/v1/sessions:end', {}],
  ])('%s refuses %j', async (path, body) => {
    const answer = await api.call('POST', path, { token: api.admin, body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_BODY_INVALID' } });
  });
});

describe('sessions', () => {
  const list = (query: string): Promise<Answered> =>
    api.call('GET', `/api/v1/sessions?${query}`, { token: api.admin });
  const ids = (answer: Answered): readonly string[] => itemsOf(answer).map(({ id }) => id);
  const ownId = async (token: string): Promise<string> =>
    (await api.call('GET', '/api/v1/sessions/self', { token })).body.session.id as string;

  it('are listed with pod and source address, and never with a token', async () => {
    const token = await logIn();
    const id = await ownId(token);
    const answer = await list(`workload=${encodeURIComponent(workload)}`);
    expect(itemsOf(answer)).toMatchObject([
      { id, workload, pod: { uid: `pod-${tests}` }, source: '127.0.0.1' },
    ]);
    expect(answer.text).not.toContain('qms_');
    expect(ids(await list(`pod=pod-${tests}&cluster=c1`))).toEqual([id]);
    expect(ids(await list(`pod=pod-${tests}&cluster=c2`))).toEqual([]);
    expect(ids(await list('source=127.0.0.0/8&limit=1000'))).toContain(id);
    expect(ids(await list('source=10.0.0.0/8&limit=1000'))).not.toContain(id);
    const first = await list('limit=1');
    const second = await list(`limit=1&after=${String(first.body.next)}`);
    expect(ids(first)).not.toEqual(ids(second));
  });

  it.each([
    ['id', async (token: string) => ({ by: 'id', id: await ownId(token) })],
    ['pod', () => ({ by: 'pod', cluster: 'c1', pod: `pod-${tests}` })],
    ['workload', () => ({ by: 'workload', workload })],
    ['source', () => ({ by: 'source', source: '127.0.0.1/32' })],
    ['cluster', () => ({ by: 'cluster', cluster: 'c1' })],
  ] as const)(
    'are closed by %s with their leases, and the workload may log in again',
    async (_by, selector) => {
      const token = await logIn();
      await read(token);
      const ended = await end({ ...(await selector(token)), comment: 'INC-8' });
      expect(ended.status).toBe(200);
      expect(ended.body.sessions).toBeGreaterThanOrEqual(1);
      expect(ended.body.revoked).toBeGreaterThanOrEqual(1);
      expect((await read(token)).status).toBe(401);
      expect((await login()).status).toBe(201);
    },
  );

  it('are reported as absent by the answer and the log if they do not exist', async () => {
    const answer = await end({ by: 'id', id: 'ses_none', comment: 'INC-9' });
    expect(answer.body).toEqual({ sessions: 0, revoked: 0, revoking: 0, streams: 0 });
    const entries = await storedEntries(api.broker.parts.store);
    expect(entries.at(-1)).toMatchObject({
      action: 'session.end',
      outcome: 'ok',
      cause: 'ended_by_operator',
      count: 0,
      comment: 'INC-9',
      query: 'id=ses_none',
    });
  });
});
