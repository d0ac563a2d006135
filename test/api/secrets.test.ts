import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { expectDenied } from '../kit/api/deny-contract.ts';
import { itemsOf, policy, RunningApi } from '../kit/api/running-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

let api: RunningApi;
let token: string;
beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  token = await api.logIn();
  await write('app/db', { user: 'u', password: 'p' });
});
afterAll(() => api.stop());

function write(path: string, data: object, headers: Record<string, string> = {}) {
  return api.call('PUT', `/api/v1/secrets/${path}`, { token, body: { data }, headers });
}

function read(path: string, as = token) {
  return api.call('GET', `/api/v1/secrets/${path}`, { token: as });
}

function remove(path: string) {
  return api.call('DELETE', `/api/v1/secrets/${path}`, { token });
}

function undelete(path: string, body: object = {}, as = token) {
  return api.call('POST', `/api/v1/secrets/${path}:undelete`, { token: as, body });
}

function destroy(path: string, body: object = {}, as = token) {
  return api.call('POST', `/api/v1/secrets/${path}:destroy`, { token: as, body });
}

describe('reading a secret', () => {
  it('returns its data under a lease, with no-store', async () => {
    const first = await read('app/db');
    expect(first.status).toBe(200);
    expect(first.body).toMatchObject({
      path: 'app/db',
      version: '1',
      data: { user: 'u', password: 'p' },
    });
    expect(first.headers).toMatchObject({ 'cache-control': 'no-store' });
    expect(first.headers).not.toHaveProperty('etag');
    expect(first.headers).not.toHaveProperty('x-powered-by');
    const again = await read('app/db');
    expect(again.body.lease).toEqual(first.body.lease);
  });

  it('returns the same answer on the fast path and by the router', async () => {
    const hot = await read('app/db');
    const ordinary = await read('app/db?version=1');
    expect(ordinary.body).toEqual(hot.body);
  });

  it('preserves bytes and every kind of text', async () => {
    const data = {
      text: 'ü "quoted" \\ \u2028 🔑 \n\t',
      empty: '',
      bytes: { base64: Buffer.from([0, 255, 128]).toString('base64') },
    };
    await write('app/odd', data);
    expect((await read('app/odd')).body.data).toEqual(data);
  });

  it('is refused the same way for existing and absent secrets (P18)', async () => {
    await api.put('mounts/hidden', { prefix: 'hidden', connection: 'embedded' });
    const editor = await api.operator('hider', [{ role: 'secret-editor' }]);
    await api.call('PUT', '/api/v1/secrets/hidden/there', {
      token: editor,
      body: { data: { a: 'b' } },
    });
    const answers = await Promise.all(
      ['hidden/there', 'hidden/gone', 'nowhere/x'].map((path) => read(path)),
    );
    const shown = answers.map(({ status, headers, text }) => ({
      status,
      length: headers['content-length'],
      text: text.replace(/req_\w+/, ''),
    }));
    expect(shown[1]).toEqual(shown[0]);
    expect(shown[2]).toEqual(shown[0]);
    expect(shown[0]?.status).toBe(403);
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'no_rule',
      unechoed: ['hidden'],
      send: () => read('hidden/there'),
    });
  });

  it('returns 404 to callers that may read the path', async () => {
    await expectDenied(api, {
      status: 404,
      code: 'ERR_NOT_FOUND',
      unechoed: ['app/none'],
      send: () => read('app/none'),
    });
  });

  it('records why an operator read, also if the read is refused, and takes no reason of a workload', async () => {
    const reader = await api.operator('asker', [{ role: 'secret-reader', scope: ['app'] }]);
    expect((await read('app/db?reason=INC-7', reader)).status).toBe(200);
    expect((await read('other/db?reason=INC-8', reader)).status).toBe(403);
    const body = { items: [{ path: 'app/db' }], reason: 'INC-9' };
    const batch = (as: string) => api.call('POST', '/api/v1/secrets:batch', { token: as, body });
    expect((await batch(reader)).status).toBe(200);
    const found = await api.call('GET', '/api/v1/audit/entries?action=secret.read&operator=asker', {
      token: await api.operator('log-reader', [{ role: 'auditor' }]),
    });
    const items = itemsOf(found) as unknown as readonly {
      readonly entry: { readonly path: string; readonly comment?: string };
    }[];
    expect(items.map(({ entry }) => [entry.path, entry.comment]).toSorted()).toEqual([
      ['app/db', 'INC-7'],
      ['app/db', 'INC-9'],
      ['other/db', 'INC-8'],
    ]);
    const refusals = await Promise.all([
      read('app/db?reason=INC-7'),
      batch(token),
      read('app/db?reason=', reader),
      read('app/db?reason=a%0Ab', reader),
    ]);
    expect(refusals.map(({ status }) => status)).toEqual([400, 400, 400, 400]);
  });

  it('needs the role that reads values if an operator reads, and admin does not include it', async () => {
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'no_role',
      send: () => read('app/db', api.admin),
    });
    const reader = await api.operator('reader', [{ role: 'secret-reader', scope: ['app'] }]);
    const answer = await read('app/db', reader);
    expect(answer.status).toBe(200);
    expect(answer.body).not.toHaveProperty('lease');
  });

  it('is refused and recorded for HEAD, OPTIONS, PATCH and unknown methods (P19)', async () => {
    for (const method of ['HEAD', 'OPTIONS', 'PATCH']) {
      const answer = await api.call(method, '/api/v1/secrets/app/db', { token });
      expect(answer.status).toBe(405);
      expect(answer.headers['allow']).toBe('GET, PUT, DELETE');
      const entries = await storedEntries(api.broker.parts.store);
      expect(entries.at(-1)).toMatchObject({
        action: 'request.refused',
        code: 'ERR_METHOD',
        requestId: answer.headers['x-request-id'],
        client: { method, target: '/api/v1/secrets/app/db' },
      });
    }
  });

  it('is refused as soon as the policy that allowed it is removed (P13)', async () => {
    await api.put('policies/short', policy('short', ['brief/**'], ['read', 'write']));
    await api.put('mounts/brief', { prefix: 'brief', connection: 'embedded' });
    await write('brief/x', { a: 'b' });
    expect((await read('brief/x')).status).toBe(200);
    const current = await api.call('GET', '/api/v1/policies/short', { token: api.admin });
    await api.call('DELETE', '/api/v1/policies/short', {
      token: api.admin,
      headers: { 'If-Match': current.headers['etag'] ?? '' },
    });
    expect((await read('brief/x')).status).toBe(403);
  });
});

describe('writing a secret', () => {
  it('creates only an absent secret with If-None-Match', async () => {
    const created = await write('app/new', { a: '1' }, { 'If-None-Match': '*' });
    expect(created).toMatchObject({ status: 201, headers: { etag: '"1"' } });
    await expectDenied(api, {
      status: 412,
      code: 'ERR_VERSION_CONFLICT',
      outcome: 'error',
      send: () => write('app/new', { a: '2' }, { 'If-None-Match': '*' }),
    });
  });

  it('replaces only the given version with If-Match', async () => {
    await write('app/seen', { a: '1' });
    const replaced = await write('app/seen', { a: '2' }, { 'If-Match': '"1"' });
    expect(replaced).toMatchObject({ status: 200, body: { path: 'app/seen', version: '2' } });
    await expectDenied(api, {
      status: 412,
      code: 'ERR_VERSION_CONFLICT',
      outcome: 'error',
      send: () => write('app/seen', { a: '3' }, { 'If-Match': '"1"' }),
    });
    const versions = await api.call('GET', '/api/v1/secret-versions/app/seen', { token });
    const states = itemsOf(versions).map(({ state }) => state);
    expect(states).toEqual(['current', 'previous']);
    expect(versions.text).not.toContain('"2"}');
  });

  it.each([
    ['a weak tag', { 'If-Match': 'W/"1"' }],
    ['two tags', { 'If-Match': '"1", "2"' }],
    ['any version', { 'If-Match': '*' }],
    ['the word none', { 'If-Match': '"absent"' }],
    ['no tag', { 'If-Match': '1' }],
    ['a tag that must not be there', { 'If-None-Match': '"1"' }],
    ['both', { 'If-Match': '"1"', 'If-None-Match': '*' }],
  ])('refuses %s as a precondition', async (_what, headers) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      reason: 'precondition',
      send: () => write('app/db', { a: 'b' }, headers),
    });
  });

  it('refuses a value over the limit', async () => {
    const large = 'canary'.repeat(20_000);
    await expectDenied(api, {
      status: 413,
      code: 'ERR_BODY_TOO_LARGE',
      outcome: 'error',
      unechoed: ['canarycanary'],
      send: () => write('app/large', { value: large }),
    });
  });

  it.each([
    ['no keys', { data: {} }],
    ['a number', { data: { a: 1 } }],
    ['base64 that is not canonical', { data: { a: { base64: 'QQ=' } } }],
    ['a list', { data: ['a'] }],
    ['nothing', {}],
  ])('refuses data of %s', async (_what, body) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_BODY_INVALID',
      send: () => api.call('PUT', '/api/v1/secrets/app/bad', { token, body }),
    });
  });

  it('is refused to readers and allowed to callers with the capability (P19)', async () => {
    await api.put('policies/only-read', policy('only-read', ['ro/**'], ['read']));
    await api.put('mounts/ro', { prefix: 'ro', connection: 'embedded' });
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      send: () => write('ro/x', { a: 'b' }),
    });
  });

  it('can be undone: versions are destroyed, and a deleted secret is restored', async () => {
    await write('app/gone', { a: '1' });
    await write('app/gone', { a: '2' });
    expect((await destroy('app/gone', { versions: ['1'] })).status).toBe(204);
    expect((await read('app/gone?version=1')).status).toBe(404);
    expect((await read('app/gone')).status).toBe(200);
    const removed = await remove('app/gone');
    expect(removed).toMatchObject({ status: 200, body: { path: 'app/gone' } });
    const week = Date.parse(String(removed.body.destroyAt)) - Date.now();
    expect(Math.abs(week - 7 * 86_400_000)).toBeLessThan(60_000);
    expect((await read('app/gone')).status).toBe(404);
    expect((await remove('app/gone')).status).toBe(404);
    for (let time = 0; time < 2; time += 1) {
      const restored = await undelete('app/gone');
      expect(restored).toMatchObject({ status: 200, body: { path: 'app/gone', version: '2' } });
    }
    expect((await read('app/gone')).body.data).toEqual({ a: '2' });
    expect((await destroy('app/gone')).status).toBe(204);
    expect((await undelete('app/gone')).status).toBe(404);
    const recreated = await write('app/gone', { a: '3' }, { 'If-None-Match': '*' });
    expect(recreated.body.version).toBe('3');
  });

  it('records each deletion, restoration and destruction', async () => {
    await write('app/traced', { a: '1' });
    const answers = [
      await remove('app/traced'),
      await undelete('app/traced'),
      await destroy('app/traced'),
    ];
    const ids = answers.map(({ headers }) => headers['x-request-id']);
    const entries = (await storedEntries(api.broker.parts.store)).filter(({ requestId }) =>
      ids.includes(requestId),
    );
    expect(entries).toMatchObject([
      { action: 'secret.delete', outcome: 'ok', path: 'app/traced' },
      { action: 'secret.undelete', outcome: 'ok', path: 'app/traced', version: '1' },
      { action: 'secret.destroy', outcome: 'ok', path: 'app/traced' },
    ]);
    expect(entries[0]).toHaveProperty('endsAt');
  });

  it('is restored by writers only, and the refusal does not say what exists', async () => {
    await write('app/kept', { a: '1' });
    await remove('app/kept');
    const lister = await api.operator('only-reader', [{ role: 'secret-reader' }]);
    const calls = ['app/kept', 'app/db', 'app/never', 'nowhere/x'].flatMap((path) => [
      undelete(path, {}, lister),
      destroy(path, {}, lister),
    ]);
    const shown = (await Promise.all(calls)).map(({ status, text }) => ({
      status,
      text: text.replace(/req_\w+/, ''),
    }));
    expect(shown[0]?.status).toBe(403);
    for (const each of shown) expect(each).toEqual(shown[0]);
    expect((await read('app/kept')).status).toBe(404);
  });

  it.each([
    { comment: 'x'.repeat(257) },
    { comment: 'two\nlines' },
    { labels: Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`l${at}`, 'v'])) },
    { labels: { Upper: 'v' } },
    { labels: { key: 'x'.repeat(129) } },
    { method: 'rotate' },
  ])('refuses metadata outside its bounds: %j', async (metadata) => {
    const body = { data: { a: 'b' }, ...metadata };
    const answer = await api.call('PUT', '/api/v1/secrets/app/noted', { token, body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'ERR_BODY_INVALID' } });
  });

  it('keeps what the writer says about a version, and shows it with the versions only', async () => {
    const note = { comment: 'OPS-7', labels: { team: 'pay', 'example.org/env': 'prod' } };
    const body = { data: { a: 'b' }, method: 'import', ...note };
    await api.call('PUT', '/api/v1/secrets/app/noted', { token, body });
    const patched = { data: { c: 'd' } };
    await api.call('POST', '/api/v1/secrets/app/noted:patch', { token, body: patched });
    const { body: shown } = await api.call('GET', '/api/v1/secret-versions/app/noted', { token });
    expect(shown.items).toMatchObject([
      { version: '2', state: 'current', method: 'patch' },
      { version: '1', state: 'previous', method: 'import', ...note },
    ]);
    expect((await read('app/noted')).text).not.toContain('OPS-7');
  });
});

describe('a batch', () => {
  it('answers each item by itself, in order, with one entry each', async () => {
    const items = [
      { path: 'app/db' },
      { path: 'nope/x' },
      { path: 'app/none' },
      { path: 'app/db', version: '1' },
    ];
    const answer = await api.call('POST', '/api/v1/secrets:batch', { token, body: { items } });
    expect(answer.status).toBe(200);
    const failed = itemsOf(answer);
    const codes = failed.map(({ error }) => error?.code);
    expect(codes).toEqual([undefined, 'ERR_DENIED', 'ERR_NOT_FOUND', undefined]);
    const entries = (await storedEntries(api.broker.parts.store)).filter(
      ({ requestId }) => requestId === answer.headers['x-request-id'],
    );
    expect(entries.map(({ outcome }) => outcome)).toEqual(['ok', 'deny', 'deny', 'ok']);
    expect(entries.map((entry) => entry['item'])).toEqual([0, 1, 2, 3]);
  });

  it('refuses a credential at a path of static secrets, in the item', async () => {
    const items = [{ path: 'app/db', idempotencyKey: 'k1' }, { path: 'app/db' }];
    const answer = await api.call('POST', '/api/v1/secrets:batch', { token, body: { items } });
    expect(answer.body.items[0].error.code).toBe('ERR_CONFLICT');
    expect(answer.body.items[1].data).toEqual({ user: 'u', password: 'p' });
  });

  it.each([
    ['no item', { items: [] }, 'ERR_BODY_INVALID'],
    [
      'more items than the limit',
      { items: Array.from({ length: 101 }, () => ({ path: 'app/db' })) },
      'ERR_BODY_INVALID',
    ],
    [
      'an item with an unknown field',
      { items: [{ path: 'app/db', versoin: '1' }] },
      'ERR_UNKNOWN_FIELD',
    ],
    ['an item with a bad path', { items: [{ path: 'app/../db' }] }, 'ERR_BODY_INVALID'],
    [
      'a malformed ttl',
      { items: [{ path: 'app/db', idempotencyKey: 'k', ttl: '1h; x' }] },
      'ERR_BODY_INVALID',
    ],
  ])('is refused as a whole with %s', async (_what, body, code) => {
    await expectDenied(api, {
      status: 400,
      code,
      send: () => api.call('POST', '/api/v1/secrets:batch', { token, body }),
    });
  });

  it('issues no credentials to operators', async () => {
    const reader = await api.operator('batcher', [{ role: 'secret-reader' }]);
    await expectDenied(api, {
      status: 403,
      code: 'ERR_DENIED',
      reason: 'workload_only',
      send: () =>
        api.call('POST', '/api/v1/secrets:batch', {
          token: reader,
          body: { items: [{ path: 'app/db', idempotencyKey: 'k' }] },
        }),
    });
  });
});

describe('a list', () => {
  it('shows only paths that the caller may list, filtered before paging', async () => {
    await api.put('mounts/team', { prefix: 'team', connection: 'embedded' });
    await api.put('policies/team', policy('team', ['team/a*', 'team/z'], ['list', 'write']));
    const editor = await api.operator('lister', [{ role: 'secret-editor' }]);
    for (const name of ['a1', 'b1', 'b2', 'b3', 'a2', 'z']) {
      await api.call('PUT', `/api/v1/secrets/team/${name}`, {
        token: editor,
        body: { data: { v: '1' } },
      });
    }
    const paths: string[] = [];
    let after = '';
    do {
      const page = await api.call('GET', `/api/v1/secrets?prefix=team&limit=1${after}`, { token });
      expect(page.body.items.length).toBeLessThanOrEqual(1);
      paths.push(...itemsOf(page).map(({ path }) => path));
      after = page.body.next === undefined ? '' : `&after=${String(page.body.next)}`;
    } while (after !== '');
    expect(paths).toEqual(['team/a1', 'team/a2', 'team/z']);
  });

  it.each(['%25', 'a%2F%2Fb', '..', 'a%2F..%2Fb', '*', "x'--"])(
    'refuses the prefix %s (C10)',
    async (prefix) => {
      await expectDenied(api, {
        status: 400,
        code: 'ERR_PATH_INVALID',
        send: () => api.call('GET', `/api/v1/secrets?prefix=${prefix}`, { token }),
      });
    },
  );

  it.each([
    'sort=name',
    'order=(select 1)',
    'limit=0',
    'limit=1001',
    'limit=1e3',
    'limit=-1',
    'after=%00',
    'after=!',
  ])('is refused with %s', async (query) => {
    await expectDenied(api, {
      status: 400,
      code: 'ERR_REQUEST_INVALID',
      send: () => api.call('GET', `/api/v1/secrets?${query}`, { token }),
    });
  });

  it('accepts only its own cursor (C10)', async () => {
    const own = await api.call('GET', '/api/v1/secrets?prefix=app&limit=1', { token });
    const cursor = own.body.next as string;
    for (const forged of [cursor.replace(/^./, 'X'), `${cursor.split('.')[0] ?? ''}.AAAA`]) {
      await expectDenied(api, {
        status: 400,
        code: 'ERR_REQUEST_INVALID',
        send: () => api.call('GET', `/api/v1/secrets?prefix=app&after=${forged}`, { token }),
      });
    }
    const moved = await api.call('GET', `/api/v1/secrets?prefix=team&after=${cursor}`, { token });
    expect(moved.status).toBe(400);
  });
});
