import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runExplain } from '../../src/cli/verbs/policies.ts';
import { bearer, BrokerClient } from '../../src/client/index.ts';
import { cliContext } from '../kit/cli/cli-context.ts';
import { policy, RunningApi, type Answered } from '../kit/api/running-api.ts';

interface Explained {
  readonly index: number;
  readonly path: string;
  readonly recorded: object;
  readonly current: object;
  readonly steps: readonly { readonly step: string; readonly verdict: string }[];
  readonly lines: readonly string[];
}

let api: RunningApi;
let client: BrokerClient;
let auditor: string;
let session: string;

beforeAll(async () => {
  api = await RunningApi.start();
  client = new BrokerClient({ url: api.url });
  await api.seed();
  auditor = await api.operator('ada', [{ role: 'auditor' }]);
  session = await api.logIn();
  await api.call('PUT', '/api/v1/secrets/app/db', {
    token: session,
    body: { data: { password: 'x' } },
    headers: { 'If-None-Match': '*' },
  });
});
afterAll(async () => {
  client.close();
  await api.stop();
});

/** Reads a path as the workload. @returns the id of the request */
async function read(path: string): Promise<string> {
  const { headers } = await api.call('GET', `/api/v1/secrets/${path}`, { token: session });
  return headers['x-request-id'] ?? '';
}

function explain(body: object, token = auditor): Promise<Answered> {
  return api.call('POST', '/api/v1/policies:explain-entry', { token, body });
}

async function explained(requestId: string): Promise<Explained> {
  const { body, text } = await explain({ requestId });
  const [item] = (body as { readonly items: readonly Explained[] }).items;
  if (item === undefined) throw new Error(text);
  return item;
}

async function change(name: string, document: object): Promise<void> {
  const { status, text } = await api.call('PUT', `/api/v1/policies/${name}`, {
    token: api.admin,
    body: document,
    headers: { 'If-Match': '*' },
  });
  if (status !== 200) throw new Error(text);
}

describe('POST /policies:explain-entry', () => {
  it('shows the decision of then and that the same caller gets it now', async () => {
    const { path, recorded, current, steps, lines } = await explained(await read('app/db'));
    const decision = { effect: 'allow', policy: 'app', version: 1, rule: 'rule-1' };
    expect({ path, recorded, current }).toEqual({
      path: 'app/db',
      recorded: decision,
      current: decision,
    });
    expect(steps.map(({ step, verdict }) => `${step} ${verdict}`)).toEqual([
      'cluster passes',
      'policy passes',
      'mount passes',
      'definition passes',
    ]);
    expect(lines).toContain('then: allowed by policy app v1, rule-1; answered');
    expect(lines).toContain('mount then: app v1');
    expect(lines.at(-1)).toBe('now: allowed');
  });

  it('finds the same entry by its index', async () => {
    const { index } = await explained(await read('app/db'));
    const { body } = await explain({ index });
    expect(body.items).toMatchObject([{ index, path: 'app/db' }]);
  });

  it('shows a denial, and after a change of the policy that the caller gets it now', async () => {
    const requestId = await read('other/db');
    const { lines } = await explained(requestId);
    expect(lines).toContain('then: denied: no allow matches; deny (ERR_DENIED, no_rule)');
    expect(lines.at(-1)).toBe('now: refused by policy, mount');
    await api.put('policies/other', policy('other', ['other/**'], ['read']));
    await api.put('mounts/other', { prefix: 'other', connection: 'embedded' });
    const after = await explained(requestId);
    expect(after.lines.join('\n')).toMatch(
      /changed: policy other created, v1 \(\S+ by bootstrap\)/,
    );
    expect(after.lines).toContain('mount then: none');
    expect(after.lines.at(-1)).toBe('now: allowed');
  });

  it('shows changes of cluster, mount and definition, a revocation, and what the caller gets now', async () => {
    const requestId = await read('app/db');
    await api.put('definitions/app/db', { leaseTtl: '5m' });
    const replace = { token: api.admin, headers: { 'If-Match': '*' } };
    for (const name of ['clusters/c1', 'mounts/app']) {
      const { body: stored } = await api.call('GET', `/api/v1/${name}`, { token: api.admin });
      const answer = await api.call('PUT', `/api/v1/${name}`, {
        ...replace,
        body: stored.document,
      });
      expect(answer.status).toBe(200);
    }
    const body = { by: 'path', path: 'app/db' };
    await api.call('POST', '/api/v1/leases:revoke', { token: api.admin, body });
    const { lines, steps } = await explained(requestId);
    expect(lines).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^changed: definition app\/db created, v1 /),
        expect.stringMatching(/^changed: cluster c1 v1 to v2, same content /),
        expect.stringMatching(/^changed: mount app v1 to v2, same content /),
        'definition: app/db v1, class static',
        expect.stringMatching(/^revoked: version 1 for session ses_/),
      ]),
    );
    expect(steps.map(({ step }) => step)).toContain('revocation');
    expect(lines.at(-1)).toBe('now: allowed');
  });

  it('shows what changed since, a quarantine, and that the session has ended', async () => {
    const requestId = await read('app/db');
    await change('app', policy('app', ['app/other'], ['read']));
    const { lines, steps } = await explained(requestId);
    expect(lines.join('\n')).toMatch(/changed: policy app v1 to v2 \(\S+ by bootstrap\)/);
    expect(lines.at(-1)).toBe('now: refused by policy');
    expect(steps).toContainEqual({
      step: 'policy',
      verdict: 'blocks',
      text: 'denied: no allow matches',
    });
    await change('app', policy('app', ['app/**'], ['read', 'list', 'write']));
    await api.call('POST', '/api/v1/quarantines', {
      token: api.admin,
      body: { kind: 'workload', workload: 'k8s://c1/prod/api', reason: 'test' },
    });
    const later = await explained(requestId);
    expect(later.lines.join('\n')).toMatch(/session: ses_\S+ has ended; the workload needs a new/);
    expect(later.lines.join('\n')).toMatch(/blocked: the workload \S+ is in quarantine/);
    expect(later.lines.at(-1)).toBe('now: refused by quarantine');
  });

  it('refuses entries without a decision, unknown ones, and callers without the role auditor', async () => {
    const start = await explain({ index: 0 });
    expect([start.status, start.body.code]).toEqual([400, 'ERR_REQUEST_INVALID']);
    expect(start.body.detail).toContain('entry 0 (broker.start) records no decision');
    expect((await explain({ index: 1_000_000 })).status).toBe(404);
    const absent = await explain({ requestId: 'req_none' });
    expect([absent.status, absent.body.detail]).toEqual([
      404,
      'the log has no entry of this request',
    ]);
    expect((await explain({})).status).toBe(400);
    const editor = await api.operator('ed', [{ role: 'policy-editor' }]);
    expect((await explain({ index: 0 }, editor)).status).toBe(403);
  });
});

describe('policy explain --entry', () => {
  const run = async (args: readonly string[], entry: string) => {
    const context = cliContext({ broker: client.as(bearer(auditor)) });
    const options = { capability: 'read', sourceAddress: '127.0.0.1', entry };
    return { exit: await runExplain(context, { args, options }), out: context.out() };
  };

  it('prints the lines, and exits with 3 if the caller would be refused now', async () => {
    const found = await api.call('GET', '/api/v1/audit/entries?path=app/db&action=secret.read', {
      token: auditor,
    });
    const [{ index }] = found.body.items as [{ index: number }];
    const { exit, out } = await run([], String(index));
    expect(exit).toBe(3);
    expect(out).toContain(`entry ${index}, `);
    expect(out.trimEnd().split('\n').at(-1)).toBe('now: refused by quarantine');
  });

  it('refuses a workload beside --entry', async () => {
    await expect(run(['k8s://c1/prod/api', 'app/db'], '1')).rejects.toThrow(
      '--entry takes no workload and no path',
    );
  });
});
