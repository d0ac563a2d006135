import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';

interface Seen {
  readonly workload: string;
  readonly capability: string;
  readonly path: string;
  readonly recorded?: { readonly effect: string; readonly rule?: string };
  readonly current: { readonly effect: string; readonly dependsOn?: readonly string[] };
  readonly draft?: { readonly effect: string; readonly version?: number };
  readonly count: number;
  readonly live: number;
}

let api: RunningApi;
let session: string;
let reader: string;
const FROM = '2000-01-01T00:00:00Z';

/** A policy with these rules. */
function rulesOf(name: string, rules: readonly object[], subject: object = {}): object {
  const subjects = [{ clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'], ...subject }];
  return { ...policy(name, ['x'], ['read']), spec: { subjects, rules } };
}

const allow = (paths: readonly string[], more: object = {}): object => ({
  name: 'rule-1',
  effect: 'allow',
  paths,
  capabilities: ['read', 'list', 'write'],
  ...more,
});

interface ReplayBody {
  readonly draft?: {
    readonly policies?: readonly (object | string)[];
    readonly remove?: readonly string[];
  };
  readonly from?: string;
  readonly after?: string;
}

/** Policies that are not texts yet are sent as their JSON texts. */
function replay({ draft, ...rest }: ReplayBody, token = reader): Promise<Answered> {
  const policies = draft?.policies?.map((each) =>
    typeof each === 'string' ? each : JSON.stringify(each),
  );
  const body = { from: FROM, ...rest, ...(draft && { draft: { ...draft, policies } }) };
  return api.call('POST', '/api/v1/policies:replay', { token, body });
}

/** The items and other lists of all pages. */
async function replayAll(body: ReplayBody, token = reader) {
  const items: Seen[] = [];
  const grants: { path: string; policy: string }[] = [];
  const widened: object[] = [];
  const skipped: { reason: string; count: number }[] = [];
  let after: string | undefined;
  do {
    const { status, body: page, text } = await replay({ ...body, ...(after && { after }) }, token);
    if (status !== 200) throw new Error(text);
    items.push(...page.items);
    grants.push(...page.grants);
    widened.push(...page.widened);
    skipped.push(...page.skipped);
    after = page.next;
  } while (after !== undefined);
  return { items, grants, widened, skipped };
}

/** The effects of the requests that the log has for a path, by capability. */
function effects(items: readonly Seen[], path: string): readonly string[] {
  return items
    .filter((item) => item.path === path && item.count > 0)
    .map(({ capability, recorded, current, draft, count }) =>
      [capability, recorded?.effect, current.effect, draft?.effect ?? '-', count].join(' '),
    )
    .sort();
}

beforeAll(async () => {
  // A replay costs as much as 200 reads, so a fast run of this suite would reach the usual limit.
  api = await RunningApi.start({
    limits: { identityRate: { perSecond: 100_000, burst: 100_000 } },
  });
  await api.seed();
  reader = await api.operator('ada', [{ role: 'auditor' }, { role: 'policy-editor' }]);
  session = await api.logIn();
  for (const path of ['app/one', 'app/two']) {
    await api.call('PUT', `/api/v1/secrets/${path}`, {
      token: session,
      body: { data: { password: 'x' } },
      headers: { 'If-None-Match': '*' },
    });
    await api.call('GET', `/api/v1/secrets/${path}`, { token: session });
  }
  await api.call('GET', '/api/v1/secrets/app/one', { token: session });
  await api.call('GET', '/api/v1/secrets/other/x', { token: session });
  await api.call('GET', '/api/v1/secrets?prefix=app', { token: session });
});
afterAll(() => api.stop());

describe('POST /policies:replay', () => {
  it('decides each request of the log and each live lease by the current policies', async () => {
    const { items, skipped } = await replayAll({});
    expect(effects(items, 'app/one')).toEqual(['read allow allow - 2', 'write allow allow - 1']);
    expect(effects(items, 'other/x')).toEqual(['read deny deny - 1']);
    const live = items.filter((item) => item.live > 0).map(({ path }) => path);
    expect(live.sort()).toEqual(['app/one', 'app/two']);
    expect(skipped).toEqual([{ reason: 'list', count: 1 }]);
  });

  it('shows who loses and who gains by a draft', async () => {
    const draft = { policies: [rulesOf('app', [allow(['app/two', 'other/*'])])] };
    const { items } = await replayAll({ draft });
    expect(effects(items, 'app/one')).toEqual([
      'read allow allow deny 2',
      'write allow allow deny 1',
    ]);
    expect(effects(items, 'app/two')).toEqual([
      'read allow allow allow 1',
      'write allow allow allow 1',
    ]);
    expect(effects(items, 'other/x')).toEqual(['read deny deny allow 1']);
    const two = items.find(({ path, draft }) => path === 'app/two' && draft?.effect === 'allow');
    expect(two?.draft).toEqual({ effect: 'allow', policy: 'app', version: 0, rule: 'rule-1' });
    expect((await replayAll({})).items.some((item) => item.draft !== undefined)).toBe(false);
  });

  it('decides as without the policy if the draft removes it', async () => {
    const { items } = await replayAll({ draft: { remove: ['app'] } });
    expect(effects(items, 'app/two')).toEqual([
      'read allow allow deny 1',
      'write allow allow deny 1',
    ]);
    expect((await replayAll({ draft: { remove: ['no-such'] } })).items).not.toEqual([]);
  });

  it('says that a decision is unknown if the log lacks a fact that it needs', async () => {
    const draft = {
      policies: [rulesOf('app', [allow(['app/**'])], { podLabels: { app: 'web' } })],
    };
    const { items } = await replayAll({ draft });
    const one = items.filter(({ path, count }) => path === 'app/one' && count > 0);
    for (const { draft: decided } of one) {
      expect(decided).toEqual({
        effect: 'unknown',
        dependsOn: ['podLabels'],
        among: [{ policy: 'app', version: 0, rule: 'rule-1' }],
      });
    }
  });

  it('knows of an open session whether its answers are sealed, and the recorded address', async () => {
    const sealed = rulesOf('app', [
      allow(['app/**'], { capabilities: ['read'], conditions: { sealedDelivery: true } }),
      allow(['app/**'], {
        name: 'rule-2',
        capabilities: ['write'],
        conditions: { sourceCidrs: ['127.0.0.0/8'] },
      }),
    ]);
    const { items } = await replayAll({ draft: { policies: [sealed] } });
    expect(effects(items, 'app/two')).toEqual([
      'read allow allow deny 1',
      'write allow allow allow 1',
    ]);
    const ofAddress = rulesOf('app', [
      allow(['app/**'], { conditions: { sourceCidrs: ['127.0.0.0/8'] } }),
    ]);
    const again = await replayAll({ draft: { policies: [ofAddress] } });
    const live = again.items.find(({ path, live: leases }) => path === 'app/two' && leases > 0);
    expect(live?.draft).toMatchObject({ effect: 'unknown', dependsOn: ['sourceAddress'] });
  });

  it('lists what the text of the draft widens, used or not', async () => {
    const rules = [allow(['app/**', 'new/*'], { capabilities: ['read'] })];
    const { widened, grants } = await replayAll({ draft: { policies: [rulesOf('app', rules)] } });
    expect(widened).toEqual([
      {
        change: 'allow_added',
        policy: 'app',
        rule: 'rule-1',
        path: 'new/*',
        capabilities: ['read'],
      },
    ]);
    expect([...new Set(grants.map(({ path }) => path))]).toEqual(['app/**']);
  });

  it('refuses a draft with the place of each problem', async () => {
    const broken = rulesOf('app', [allow(['a//b'])]);
    const { status, body } = await replay({
      draft: { policies: [policy('a', ['a'], []), broken, broken] },
    });
    expect([status, body.code]).toEqual([400, 'ERR_POLICY_INVALID']);
    const problems = body.problems as readonly { readonly pointer: string }[];
    const pointers = problems.map(({ pointer }) => pointer);
    expect(pointers).toContain('/draft/policies/0/spec/rules/0/capabilities');
    expect(pointers).toContain('/draft/policies/1/spec/rules/0/paths/0');
    const twice = policy('a', ['a'], ['read']);
    const doubled = await replay({ draft: { policies: [twice, twice] } });
    expect(doubled.body.problems[0].pointer).toBe('/draft/policies/1/metadata/name');
    const notJson = await replay({ draft: { policies: [JSON.stringify(twice), '{"a":'] } });
    expect([notJson.status, notJson.body.code]).toEqual([400, 'ERR_BODY_INVALID']);
    expect(notJson.body.problems).toMatchObject([
      { pointer: '/draft/policies/1', message: 'the body is not JSON (RFC 8259)' },
    ]);
    expect((await replay({ from: 'yesterday' })).status).toBe(400);
    expect((await replay({ after: 'forged' })).status).toBe(400);
  });

  it('accepts a draft of many policies', async () => {
    const policies = Array.from({ length: 1_500 }, (_, i) =>
      policy(`many${i}`, [`a${i}/*`], ['read']),
    );
    const { status, body, text } = await replay({ draft: { policies } });
    if (status !== 200) throw new Error(text);
    expect(body.widened).toHaveLength(1_500);
  });

  it('records each page, and refuses callers without both roles', async () => {
    for (const [name, role] of [
      ['only-auditor', 'auditor'],
      ['only-editor', 'policy-editor'],
      ['neither', 'secret-reader'],
    ] as const) {
      const token = await api.operator(name, [{ role }]);
      expect((await replay({}, token)).status).toBe(403);
    }
    expect((await replay({}, session)).status).toBe(403);
    await replay({ draft: { remove: ['app'] } });
    const found = await api.call('GET', '/api/v1/audit/entries?action=policy.replay&outcome=ok', {
      token: reader,
    });
    expect(found.body.items[0].entry.query).toContain('changed=0 removed=1');
  });

  it('shows an editor with a scope only its paths, and refuses a draft beyond them', async () => {
    await api.put('policies/app.two', policy('app.two', ['app/two/**'], ['read']));
    const token = await api.operator('scoped', [
      { role: 'auditor' },
      { role: 'policy-editor', scope: ['app/two'] },
    ]);
    const draft = { policies: [rulesOf('app.two', [allow(['app/two/x'])])] };
    const { items, grants } = await replayAll({ draft }, token);
    expect(new Set(items.map(({ path }) => path))).toEqual(new Set(['app/two']));
    expect(grants.filter((grant) => grant.policy === 'app')).toEqual([]);
    for (const beyond of [
      { policies: [rulesOf('app', [allow(['app/two/x'])])] },
      { policies: [rulesOf('app.two', [allow(['app/one'])])] },
      { policies: [rulesOf('other', [allow(['app/two/x'])])] },
      { remove: ['app'] },
      { remove: ['no-such'] },
    ]) {
      const refused = await replay({ draft: beyond }, token);
      expect([refused.status, refused.body.code]).toEqual([403, 'ERR_DENIED']);
    }
  });
});
