import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { HandClock } from '../kit/time/hand-clock.ts';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';
import { ALICE, PeopleApi } from '../kit/identity/people-api.ts';
import { storedEntries } from '../kit/store/store-diff.ts';

interface Item {
  readonly kind: string;
  readonly name: string;
  readonly outcome?: string;
  readonly version?: number;
  readonly etag?: string;
  readonly error?: { readonly code: string; readonly detail?: string };
}

let api: RunningApi;

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
});
afterAll(() => api.stop());

/** Builds a request whose documents are texts. */
function withTexts(documents: readonly object[]): object {
  return {
    documents: documents.map((each) => ({
      ...each,
      ...('document' in each && { document: JSON.stringify(each.document) }),
    })),
  };
}

function send(documents: readonly object[], token = api.admin, query = ''): Promise<Answered> {
  const body = withTexts(documents);
  return api.call('POST', `/api/v1/documents:apply${query}`, { token, body });
}

async function apply(documents: readonly object[], token?: string, query?: string) {
  const answered = await send(documents, token, query);
  expect(answered.status).toBe(200);
  return answered.body['items'] as readonly Item[];
}

const shortly = (items: readonly Item[]): readonly unknown[] =>
  items.map(({ name, outcome, error }) => [name, outcome ?? error?.code]);

const created = (name: string, paths = ['app/**']) => ({
  kind: 'policy',
  name,
  ifNoneMatch: '*',
  document: policy(name, paths, ['read']),
});

const version = async (place: string): Promise<unknown> => {
  const { body } = await api.call('GET', `/api/v1/${place}`, { token: api.admin });
  return body['version'];
};

describe('several documents in one request', () => {
  it('are applied in order, each with its version and its entry, so that later ones may need earlier ones', async () => {
    const documents = [
      {
        kind: 'mount',
        name: 'many',
        ifNoneMatch: '*',
        document: { prefix: 'many', connection: 'embedded' },
      },
      { kind: 'definition', name: 'many/db', ifNoneMatch: '*', document: {} },
      created('many-1'),
      created('many-2'),
    ];
    const answered = await send(documents);
    const items = answered.body['items'] as readonly Item[];
    expect(shortly(items)).toEqual([
      ['many', 'created'],
      ['many/db', 'created'],
      ['many-1', 'created'],
      ['many-2', 'created'],
    ]);
    const read = await api.call('GET', '/api/v1/policies/many-1', { token: api.admin });
    expect(read.headers['etag']).toBe(items[2]?.etag);
    const entries = await storedEntries(api.broker.parts.store);
    const own = entries.filter(({ requestId }) => requestId === answered.headers['x-request-id']);
    expect(own).toMatchObject(
      documents.map(({ kind, name }) => ({
        action: 'document.write',
        outcome: 'ok',
        document: { kind, name, version: 1 },
      })),
    );
  });

  it('change nothing when the request is repeated', async () => {
    const documents = [created('twice-1'), created('twice-2')];
    await apply(documents);
    const again = await apply(documents);
    expect(shortly(again)).toEqual([
      ['twice-1', 'unchanged'],
      ['twice-2', 'unchanged'],
    ]);
    expect(again.map((item) => item.version)).toEqual([1, 1]);
    expect(await version('policies/twice-1')).toBe(1);
  });

  it('replace only the version that was read', async () => {
    const [first] = await apply([created('tag')]);
    const change = (ifMatch: string | undefined, path: string) => ({
      kind: 'policy',
      name: 'tag',
      ifMatch,
      document: policy('tag', [path], ['read']),
    });
    expect(shortly(await apply([change(first?.etag, 'app/a')]))).toEqual([['tag', 'changed']]);
    expect(shortly(await apply([change(first?.etag, 'app/b')]))).toEqual([
      ['tag', 'ERR_VERSION_CONFLICT'],
    ]);
    expect(await version('policies/tag')).toBe(2);
  });

  it('stop at the first that is refused, of which the refusal is recorded', async () => {
    const absent = {
      kind: 'policy',
      name: 'nope',
      ifMatch: '*',
      document: created('nope').document,
    };
    const mount = {
      kind: 'mount',
      name: 'after',
      ifNoneMatch: '*',
      document: { prefix: 'after', connection: 'embedded' },
    };
    const answered = await send([created('stop-1'), absent, mount]);
    expect(shortly(answered.body['items'] as readonly Item[])).toEqual([
      ['stop-1', 'created'],
      ['nope', 'ERR_NOT_FOUND'],
    ]);
    expect(await version('mounts/after')).toBeUndefined();
    const entries = await storedEntries(api.broker.parts.store);
    const own = entries.filter(({ requestId }) => requestId === answered.headers['x-request-id']);
    // Policies that follow each other are decided side by side, so their entries have no fixed order.
    expect(own.map(({ action, outcome, code }) => [action, outcome, code]).sort()).toEqual([
      ['document.write', 'deny', 'ERR_NOT_FOUND'],
      ['document.write', 'ok', undefined],
    ]);
  });

  it('are all checked by a dry run, which changes nothing', async () => {
    const mount = (name: string, connection: string) => ({
      kind: 'mount',
      name,
      ifNoneMatch: '*',
      document: { prefix: name, connection },
    });
    const documents = [mount('dry-1', 'none'), created('dry-2'), mount('dry-3', 'embedded')];
    expect(shortly(await apply(documents, api.admin, '?dryRun=true'))).toEqual([
      ['dry-1', 'ERR_BODY_INVALID'],
      ['dry-2', 'created'],
      ['dry-3', 'created'],
    ]);
    expect(await version('policies/dry-2')).toBeUndefined();
  });

  it('share commits if they are policies', async () => {
    const heads = async (): Promise<number> => {
      const { body } = await api.call('GET', '/api/v1/audit/heads', { token: api.admin });
      return (body['items'] as readonly unknown[]).length;
    };
    const before = await heads();
    await apply(Array.from({ length: 64 }, (_, n) => created(`shared-${n}`)));
    // The listing may show some commits of the tests before only now.
    expect((await heads()) - before).toBeLessThan(40);
  });
});

describe('a document of a request', () => {
  it('needs the role that it would need alone, and absent and denied ones look the same', async () => {
    const scoped = await api.operator('scoped', [{ role: 'policy-editor', scope: ['app'] }]);
    await apply([created('theirs', ['other/**'])]);
    const replaced = (name: string) => ({
      kind: 'policy',
      name,
      ifMatch: '*',
      document: policy(name, ['other/**'], ['read']),
    });
    const own = created('app.own');
    expect(shortly(await apply([own], scoped))).toEqual([['app.own', 'created']]);
    for (const document of [replaced('theirs'), replaced('absent')]) {
      const [item] = await apply([document], scoped);
      expect(item?.error).toMatchObject({ code: 'ERR_DENIED', status: 403 });
      expect(item).not.toHaveProperty('etag');
    }
    const mount = { kind: 'mount', name: 'm', ifNoneMatch: '*', document: {} };
    expect(shortly(await apply([mount], scoped))).toEqual([['m', 'ERR_DENIED']]);
  });

  it('is refused to operators without a role that writes documents, and to workloads', async () => {
    const auditor = await api.operator('ada', [{ role: 'auditor' }]);
    expect((await send([created('x')], auditor)).status).toBe(403);
    expect((await send([created('x')], await api.logIn())).status).toBe(403);
  });

  it('cannot take the role from the last admin together with another document', async () => {
    await api.operator('second', [{ role: 'admin' }]);
    const { body } = await api.call('GET', '/api/v1/operators', { token: api.admin });
    const admins = (
      body['items'] as { name: string; document: { grants: { role: string }[] } }[]
    ).filter(({ document }) => document.grants.some(({ role }) => role === 'admin'));
    expect(admins).toHaveLength(2);
    const demoted = admins
      .sort(({ name }) => (name === 'second' ? -1 : 1))
      .map(({ name }) => ({
        kind: 'operator',
        name,
        ifMatch: '*',
        document: { grants: [{ role: 'auditor' }] },
      }));
    const items = await apply(demoted);
    expect(shortly(items)).toEqual([
      ['second', 'changed'],
      [demoted[1]?.name, 'ERR_CONFLICT'],
    ]);
    expect(items[1]?.error?.detail).toContain('the last operator with the role admin');
  });

  it.each(['{', '{"a":1,"a":2}', '{"__proto__":{}}'])(
    'refuses the whole request unless it is strict JSON: %s',
    async (document) => {
      const documents = [{ kind: 'mount', name: 'bad', ifNoneMatch: '*', document }];
      const path = '/api/v1/documents:apply';
      const answered = await api.call('POST', path, { token: api.admin, body: { documents } });
      expect(answered.status).toBe(400);
      expect(answered.text).toContain('/documents/0/document');
    },
  );

  it.each([
    ['no precondition', { ifNoneMatch: undefined }],
    ['two preconditions', { ifMatch: '*' }],
    ['an unknown kind', { kind: 'secret' }],
    ['an invalid name', { name: '../x' }],
    ['an unknown field', { more: 1 }],
    ['a weak tag', { ifNoneMatch: undefined, ifMatch: 'W/"x"' }],
  ])('refuses the whole request with %s', async (_what, more) => {
    const { status, body } = await send([created('before'), { ...created('bad'), ...more }]);
    expect(status).toBe(400);
    expect(JSON.stringify(body['problems'])).toContain('/documents/1');
    expect(await version('policies/before')).toBeUndefined();
  });

  it('is accepted up to 65,536 characters, in a request of up to 200 documents', async () => {
    const large = { ...created('large'), document: { x: 'x'.repeat(70_000) } };
    expect((await send([large])).body['code']).toBe('ERR_BODY_INVALID');
    const many = Array.from({ length: 201 }, (_, n) => created(`n${n}`));
    expect((await send(many)).body['code']).toBe('ERR_BODY_INVALID');
    expect((await send([])).body['code']).toBe('ERR_BODY_INVALID');
  });
});

it('charges a request by its documents', async () => {
  const limited = await RunningApi.start({
    limits: { identityRate: { perSecond: 0.001, burst: 60 } },
  });
  try {
    const documents = Array.from({ length: 60 }, (_, n) => created(`c${n}`));
    const body = withTexts(documents);
    const post = (): Promise<Answered> =>
      limited.call('POST', '/api/v1/documents:apply?dryRun=true', { token: limited.admin, body });
    expect((await post()).status).toBe(200);
    const refused = await post();
    expect([refused.status, refused.body['code']]).toEqual([429, 'ERR_RATE_LIMITED']);
  } finally {
    await limited.stop();
  }
});

it('needs a recent login and an approval for a grant of admin, as a document alone', async () => {
  const clock = new HandClock(Date.now());
  const people = await PeopleApi.start(clock);
  try {
    const { corp } = people;
    corp.user = ALICE;
    const grants = [{ role: 'admin' }];
    await people.api.put('role-bindings/chiefs', { issuer: 'corp', subjects: ['alice'], grants });
    const token = await people.logIn({ stepUp: true });
    await people.api.call('POST', '/api/v1/approvals:require', {
      token,
      body: { required: ['admin'] },
    });
    const body = withTexts([
      { kind: 'operator', name: 'fresh', ifNoneMatch: '*', document: { grants } },
      created('after'),
    ]);
    const post = (): Promise<Answered> =>
      people.api.call('POST', '/api/v1/documents:apply', { token, body });
    expect(shortly((await post()).body['items'] as readonly Item[])).toEqual([
      ['fresh', 'ERR_APPROVAL_REQUIRED'],
    ]);
    clock.advance(400_000);
    const late = await post();
    expect([late.status, late.body['code']]).toEqual([401, 'ERR_STEP_UP_REQUIRED']);
  } finally {
    await people.stop();
  }
});
