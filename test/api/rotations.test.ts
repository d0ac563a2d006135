import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { EventReader } from '../kit/api/event-reader.ts';
import { itemsOf, RunningApi } from '../kit/api/running-api.ts';

let api: RunningApi;
let pods = 0;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed(['read', 'list', 'write', 'rotate']);
});
afterAll(() => api.stop());

async function holder(): Promise<string> {
  pods += 1;
  return api.logIn({ pod: { name: `api-${pods}`, uid: `pod-uid-${pods}` } });
}

/** A path with a generated password and further rotation settings. */
async function rotating(path: string, more: object = {}): Promise<void> {
  await api.call('PUT', `/api/v1/secrets/${path}`, {
    token: api.admin,
    body: { data: { username: 'app', password: 'the-first-password' } },
  });
  await api.put(`definitions/${path}`, {
    rotation: { strategy: 'generated', options: { keys: { password: {} } }, ...more },
  });
}

const ask = async (verb: string, path: string, body: object = {}, token = api.admin) =>
  api.call('POST', `/api/v1/rotations/${path}:${verb}`, { token, body });
const statusOf = async (path: string, token = api.admin) =>
  api.call('GET', `/api/v1/rotations/${path}`, { token });
const read = async (path: string, token: string) =>
  api.call('GET', `/api/v1/secrets/${path}`, { token });
const acknowledge = async (token: string, path: string, version: string, more: object = {}) =>
  api.call('POST', '/api/v1/acknowledgements', {
    token,
    body: { items: [{ path, version, ...more }] },
  });

/** The checked fields of a rotation; the contract has checked its whole shape. */
interface Shown {
  readonly state: string;
  readonly step: string;
  readonly canary?: { readonly stage: string };
  readonly steps: readonly { readonly step: string; readonly outcome: string }[];
}

/** The newest entry of the history, once `done` is true for it. */
async function until(path: string, done: (rotation: Shown) => boolean): Promise<Shown> {
  for (;;) {
    const answer = await api.call('GET', `/api/v1/rotation-history/${path}`, { token: api.admin });
    const [newest] = (answer.body as { readonly items: readonly Shown[] }).items;
    if (newest !== undefined && done(newest)) return newest;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a rotation by API', () => {
  it('makes a new version current, keeps the other keys, and shows every step', async () => {
    await rotating('app/plain');
    const started = await ask('run', 'app/plain', { comment: 'because' });
    expect(started.status).toBe(202);
    expect(started.body).toMatchObject({
      state: 'running',
      cause: 'requested',
      comment: 'because',
    });
    const ended = await until('app/plain', ({ state }) => state === 'done');
    const done = ended.steps.filter(({ outcome }) => outcome === 'done');
    expect(done.map(({ step }) => step)).toEqual([
      'create',
      'set',
      'test',
      'promote',
      'settle',
      'retire',
    ]);
    const { data, version } = (await read('app/plain', await holder())).body;
    expect(data).toMatchObject({ username: 'app' });
    expect(data.password).not.toBe('the-first-password');
    expect(version).toBe('2');
    expect((await statusOf('app/plain')).body).toMatchObject({
      failures: 0,
      slots: 'two',
      nextRuns: [],
    });
  });

  it('notifies lease holders within a second, and revokes the old version after they moved on', async () => {
    await rotating('app/held');
    const [first, second] = [await holder(), await holder()];
    await read('app/held', first);
    await read('app/held', second);
    const events = await EventReader.open(api.url, first);
    if (!(events instanceof EventReader)) throw new Error('refused');
    await events.next('ready');
    await ask('run', 'app/held');
    expect((await events.next('secret.changed')).data).toEqual({ path: 'app/held' });
    events.close();
    await until('app/held', ({ step }) => step === 'settle');
    const { version } = (await read('app/held', first)).body;
    await acknowledge(first, 'app/held', version);
    const waiting = (await statusOf('app/held')).body as {
      readonly active: Shown;
      readonly holders: readonly { readonly acknowledged?: { readonly outcome: string } }[];
    };
    expect(waiting.active.step).toBe('settle');
    const said = waiting.holders.map(({ acknowledged }) => acknowledged?.outcome);
    expect(said.filter((outcome) => outcome === 'ok')).toHaveLength(1);
    await read('app/held', second);
    await acknowledge(second, 'app/held', version);
    await until('app/held', ({ state }) => state === 'done');
  });

  it('rolls back when several holders report failures, but not for one', async () => {
    await rotating('app/bad');
    const holders = [await holder(), await holder(), await holder()];
    for (const token of holders) await read('app/bad', token);
    await ask('run', 'app/bad');
    await until('app/bad', ({ step }) => step === 'settle');
    const failed = { outcome: 'failed', reason: 'login_refused' };
    const complain = async (token: string): Promise<void> => {
      const { version } = (await read('app/bad', token)).body as { readonly version: string };
      await acknowledge(token, 'app/bad', version, failed);
    };
    await complain(holders[0]!);
    await complain(holders[0]!);
    expect((await statusOf('app/bad')).body.active).toMatchObject({ step: 'settle' });
    await complain(holders[1]!);
    await until('app/bad', ({ state }) => state === 'rolled_back');
    const { data, version } = (await read('app/bad', holders[2]!)).body;
    expect(data.password).toBe('the-first-password');
    expect(version).toBe('3');
  });

  it('does not wait for holders in an incident', async () => {
    await rotating('app/hurried');
    await read('app/hurried', await holder());
    const needs = await ask('run', 'app/hurried', { incident: true });
    expect(needs.status).toBe(400);
    await ask('run', 'app/hurried', { incident: true, comment: 'it is on a pastebin' });
    const ended = await until('app/hurried', ({ state }) => state === 'done');
    expect(ended).toMatchObject({ cause: 'incident', comment: 'it is on a pastebin' });
  });

  it('moves to one pod first, then to a share, then to all', async () => {
    await rotating('app/canary', { canary: { share: 50, soak: '1s' } });
    const tokens = await Promise.all(Array.from({ length: 4 }, holder));
    for (const token of tokens) await read('app/canary', token);
    await ask('run', 'app/canary');
    const chosen = async (stage: string): Promise<string[]> => {
      await until('app/canary', ({ canary }) => canary?.stage === stage);
      const versions: string[] = [];
      for (const token of tokens) versions.push((await read('app/canary', token)).body.version);
      return tokens.filter((_, index) => versions[index] !== '1');
    };
    const one = await chosen('pod');
    expect(one).toHaveLength(1);
    const stranger = await api.call(
      'GET',
      `/api/v1/secrets/app/canary?version=${(await read('app/canary', one[0]!)).body.version}`,
      { token: tokens.find((token) => token !== one[0])! },
    );
    expect(stranger.status).toBe(404);
    const say = async (token: string): Promise<void> => {
      const { version } = (await read('app/canary', token)).body;
      await acknowledge(token, 'app/canary', version);
    };
    await say(one[0]!);
    const two = await chosen('share');
    expect(two).toHaveLength(2);
    expect(two).toEqual(expect.arrayContaining(one));
    for (const token of two) await say(token);
    await until('app/canary', ({ step }) => step === 'settle');
    for (const token of tokens) {
      expect((await read('app/canary', token)).body.version).toBe('2');
      await say(token);
    }
    await until('app/canary', ({ state }) => state === 'done');
  });

  it.each(['run', 'drill'])('starts once, however often its %s is sent', async (verb) => {
    const path = `app/repeated-${verb}`;
    await rotating(path);
    const order = (key: string, body: object, at = path) =>
      api.call('POST', `/api/v1/rotations/${at}:${verb}`, {
        token: api.admin,
        headers: { 'Idempotency-Key': key },
        body,
      });
    const key = `${verb}-1`;
    const both = await Promise.all([order(key, {}), order(key, {})]);
    expect(both.map(({ status }) => status)).toEqual([202, 202]);
    const { id } = both[0].body as { readonly id: string };
    await until(path, ({ state }) => state === 'done');
    expect(await order(key, {})).toMatchObject({ status: 202, body: { id, state: 'done' } });
    expect(both[1].body).toMatchObject({ id });
    await rotating(`${path}/other`);
    for (const [body, at] of [
      [{ comment: 'another' }, path],
      [{}, `${path}/other`],
    ] as const) {
      expect(await order(key, body, at)).toMatchObject({
        status: 409,
        body: { code: 'ERR_IDEMPOTENCY_MISMATCH' },
      });
    }
    expect(await order('a b', {})).toMatchObject({ status: 400 });
    const another = await order(`${verb}-2`, {});
    expect(another).toMatchObject({ status: 202 });
    expect(another.body).not.toMatchObject({ id });
  });

  it("does not match another caller's idempotency key, and an incident does not match a normal rotation", async () => {
    await rotating('app/keys', { retire: 'manual' });
    const order = (token: string, body: object) =>
      api.call('POST', '/api/v1/rotations/app/keys:run', {
        token,
        headers: { 'Idempotency-Key': 'mine' },
        body,
      });
    expect((await order(api.admin, { comment: 'why' })).status).toBe(202);
    expect(await order(await holder(), { comment: 'why' })).toMatchObject({
      status: 409,
      body: { code: 'ERR_CONFLICT' },
    });
    expect(await order(api.admin, { comment: 'why', incident: true })).toMatchObject({
      status: 409,
      body: { code: 'ERR_IDEMPOTENCY_MISMATCH' },
    });
    expect((await order(api.admin, { comment: 'why' })).status).toBe(202);
  });

  it('is parked while a copy of the old secret remains, and resumes when the copy is gone', async () => {
    const path = 'app/copies';
    const data = { username: 'app', password: 'the-first-password' };
    const write = (version: string, value: object) =>
      api.call('PUT', `/api/v1/secrets/${path}`, {
        token: api.admin,
        headers: { 'If-Match': `"${version}"` },
        body: { data: value },
      });
    await rotating(path);
    await write('1', { ...data, url: 'postgres://app:the-first-password@db/pay' });
    await ask('run', path);
    const parked = await until(path, ({ state }) => state === 'parked');
    expect(parked).toMatchObject({ step: 'create', lastError: 'stale_copy' });
    expect((await write('2', data)).status).toBe(200);
    expect((await ask('retry', path)).status).toBe(202);
    await until(path, ({ state }) => state === 'done');
    expect((await read(path, await holder())).body).toMatchObject({ version: '4' });
  });

  it('is limited to one at a time for each path', async () => {
    await rotating('app/once', { retire: 'manual' });
    await read('app/once', await holder());
    await ask('run', 'app/once');
    await until('app/once', ({ step }) => step === 'settle');
    await expectDenied(api, {
      status: 409,
      code: 'ERR_CONFLICT',
      reason: 'under_way',
      outcome: 'error',
      send: () => ask('run', 'app/once'),
    });
    const retired = await ask('retire', 'app/once', { comment: 'now' });
    expect(retired.status).toBe(202);
    await until('app/once', ({ state }) => state === 'done');
  });

  it('is hurried by a later incident request, and the answer reports that', async () => {
    await rotating('app/urgent', { retire: 'manual' });
    await read('app/urgent', await holder());
    await ask('run', 'app/urgent');
    await until('app/urgent', ({ step }) => step === 'settle');
    const hurried = await ask('run', 'app/urgent', { incident: true, comment: 'it leaked' });
    expect([hurried.status, hurried.body.detail]).toEqual([
      409,
      expect.stringMatching(
        / from now on it does not wait for holders\. Repeat this request when it is over$/,
      ),
    ]);
    await until('app/urgent', ({ state }) => state === 'done');
  });

  it('is rolled back by any authorized operator while the old version exists', async () => {
    await rotating('app/undo', { retire: 'manual' });
    await read('app/undo', await holder());
    await ask('run', 'app/undo');
    await until('app/undo', ({ step }) => step === 'settle');
    expect((await ask('abort', 'app/undo')).status).toBe(409);
    expect((await ask('rollback', 'app/undo')).status).toBe(202);
    await until('app/undo', ({ state }) => state === 'rolled_back');
    const { data } = (await read('app/undo', await holder())).body;
    expect(data.password).toBe('the-first-password');
  });

  it('runs as a drill, which promotes nothing and proves that a rotation would work', async () => {
    await rotating('app/drill');
    expect((await ask('drill', 'app/drill')).status).toBe(202);
    await until('app/drill', ({ state }) => state === 'done');
    const status = (await statusOf('app/drill')).body;
    expect(status.provenAt).toBeDefined();
    expect(status.rotatedAt).toBeUndefined();
    expect((await read('app/drill', await holder())).body.version).toBe('1');
  });
});

describe('rotations', () => {
  it('are listed by state', async () => {
    await rotating('app/list-a', { schedule: { every: '30d' } });
    await rotating('app/list-b');
    const list = async (query: string) =>
      itemsOf(
        await api.call('GET', `/api/v1/rotations?limit=1000${query}`, { token: api.admin }),
      ).map(({ path }) => path);
    expect(await list('')).toEqual(expect.arrayContaining(['app/list-a', 'app/list-b']));
    expect(await list('&neverProven=true')).toEqual(
      expect.arrayContaining(['app/list-a', 'app/list-b']),
    );
    expect(await list('&overdue=true')).toEqual([]);
    const far = new Date(Date.now() + 40 * 86_400_000).toISOString();
    expect(await list(`&dueBefore=${far}`)).toEqual(['app/list-a']);
    expect(await list('&state=parked')).toEqual([]);
  });

  it('are paged and filtered by the scope of the operator', async () => {
    await rotating('app/scope/a');
    await rotating('app/scope/b');
    await rotating('app/scoped-not');
    const token = await api.operator('scoped', [{ role: 'rotator', scope: ['app/scope'] }]);
    const first = await api.call('GET', '/api/v1/rotations?limit=1', { token });
    expect(itemsOf(first).map(({ path }) => path)).toEqual(['app/scope/a']);
    const next = first.body.next as string;
    const second = await api.call('GET', `/api/v1/rotations?limit=1&after=${next}`, { token });
    expect(itemsOf(second).map(({ path }) => path)).toEqual(['app/scope/b']);
    expect(second.body.next).toBeUndefined();
    expect((await statusOf('app/scoped-not', token)).status).toBe(403);
  });

  it('are refused to callers without the capability, whether the path rotates or not', async () => {
    await rotating('app/mine');
    const reader = await api.operator('reads', [{ role: 'secret-reader' }]);
    for (const path of ['app/mine', 'app/nothing-there']) {
      for (const verb of ['run', 'drill', 'retry', 'abort', 'rollback', 'retire']) {
        await expectDenied(api, {
          status: 403,
          code: 'ERR_DENIED',
          send: () => ask(verb, path, {}, reader),
        });
      }
      await expectDenied(api, {
        status: 403,
        code: 'ERR_DENIED',
        send: () => statusOf(path, reader),
      });
    }
    const workload = await holder();
    expect((await ask('run', 'app/mine', {}, workload)).status).toBe(202);
    await until('app/mine', ({ state }) => state === 'done');
  });

  it.each(['retry', 'abort', 'rollback', 'retire'])(
    'refuse %s when none is in progress',
    async (verb) => {
      await rotating(`app/idle-${verb}`);
      await expectDenied(api, {
        status: 409,
        code: 'ERR_CONFLICT',
        reason: 'none_under_way',
        outcome: 'error',
        send: () => ask(verb, `app/idle-${verb}`),
      });
    },
  );

  it.each([
    [{ schedule: { cron: '99 * * * *' } }],
    [{ schedule: { cron: 'tomorrow' } }],
    [{ schedule: { every: '5s' } }],
    [
      {
        schedule: { cron: '0 3 * * *' },
        windows: [{ days: ['sun'], from: '10:00', to: '11:00', timeZone: 'UTC' }],
      },
    ],
    [{ windows: [{ from: '10:00', to: '10:00', timeZone: 'UTC' }] }],
    [{ windows: [{ from: '10:00', to: '11:00', timeZone: 'Mars/Olympus' }] }],
    [{ strategy: 'unknown' }],
    [{ connection: 'nowhere' }],
    [{ options: { keys: { password: { length: 1 } } } }],
    [{ options: { keys: {} } }],
    [{ canary: { share: 0 } }],
    [{ surprise: true }],
  ])('refuse the definition %j', async (change) => {
    const rotation = { strategy: 'generated', options: { keys: { password: {} } }, ...change };
    await expectDenied(api, {
      status: 400,
      code: 'surprise' in change ? 'ERR_UNKNOWN_FIELD' : 'ERR_BODY_INVALID',
      send: () =>
        api.call('PUT', '/api/v1/definitions/app/undefined', {
          token: api.admin,
          body: { rotation },
          headers: { 'If-None-Match': '*' },
        }),
    });
  });
});
