import { describe, expect, it } from '@jest/globals';
import { CHECKS } from '../../../../src/cli/compliance/checks.ts';
import { STANDARD_NAMES, STANDARDS } from '../../../../src/cli/compliance/standards.ts';
import { runCompliance } from '../../../../src/cli/verbs/compliance.ts';
import { UsageError } from '../../../../src/cli/run/errors.ts';
import { brokerStatus } from '../../../kit/cli/broker-status.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

type Answers = ConstructorParameters<typeof ScriptedBroker>[0];

const NOW = Date.parse('2026-06-01T00:00:00Z');
const LOG = {
  checkedAt: new Date(NOW - 3_600_000).toISOString(),
  unwitnessedSeconds: 3,
  witnesses: [{ name: 'w', failing: false, contradicts: false }],
};
const FIT = { workload: 'k8s://prod/shop/web', pod: { name: 'web-0', uid: 'u0' }, known: true };
const POLICY = {
  apiVersion: 'quaymaster.dev/v1',
  kind: 'AccessPolicy',
  metadata: { name: 'shop' },
  spec: {
    subjects: [{ clusters: ['prod'], namespaces: ['shop'], serviceAccounts: ['web'] }],
    rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['shop/db'] }],
  },
};

/** A broker about which no control has anything to say. */
const SOUND: Answers = {
  surveyPosture: () => ({ items: [{ ...FIT, met: true, findings: [] }] }),
  listPostureProfiles: () => ({
    items: [
      {
        name: 'production',
        document: {
          mode: 'enforce',
          image: { registries: ['registry.test/**'] },
          vulnerabilities: { deny: ['CRITICAL'] },
        },
      },
    ],
  }),
  readStatus: () => brokerStatus(LOG),
  listMounts: () => ({
    items: [{ name: 'shop', document: { prefix: 'shop', connection: 'own' } }],
  }),
  listDefinitions: () => ({ items: [{ path: 'shop/db', document: { rotation: {} } }] }),
  listRotations: () => ({ items: [] }),
  listRoleBindings: () => ({
    items: [{ name: 'admins', document: { amr: ['hwk'], grants: [{ role: 'admin' }] } }],
  }),
  listOperators: () => ({ items: [] }),
  listApprovals: () => ({ items: [], required: ['admin'] }),
  listPolicies: () => ({
    items: [{ name: 'shop', updatedAt: '2026-01-01T00:00:00.000Z', document: POLICY }],
  }),
  replayPolicies: () => ({
    items: [],
    grants: [{ policy: 'shop', rule: 'read', path: 'shop/db', last: '2026-05-01T00:00:00.000Z' }],
    skipped: [],
    widened: [],
    entries: 7,
  }),
  readKeys: () => ({
    rotating: false,
    keys: [{ id: 'k1', state: 'active', createdAt: '2026-01-01T00:00:00.000Z', keks: [] }],
    keks: [{ id: 'file', configured: true }],
  }),
  listBackups: () => ({ items: [{ name: 'b', createdAt: '2026-05-31T00:00:00.000Z' }] }),
  searchAudit: () => ({ items: [{ index: 40, entry: {} }] }),
  readCheckpoint: () => 'log.test\n42\nroot\n\n— log.test sig\n',
};

async function report(
  change: Answers = {},
  options: Partial<Parameters<typeof runCompliance>[1]['options']> = {},
  format: 'table' | 'json' = 'json',
) {
  const broker = new ScriptedBroker({ ...SOUND, ...change });
  const clock = new HandClock(NOW);
  const context = { ...cliContext({ broker, format }), clock };
  const code = await runCompliance(context, {
    args: [],
    options: { since: '90d', as: 'text', ...options },
  });
  return { code, out: context.out() };
}

interface Parsed {
  readonly standards: readonly {
    readonly name: string;
    readonly controls: readonly {
      readonly id: string;
      readonly state: string;
      readonly checks: readonly { readonly check: string; readonly text: string }[];
    }[];
  }[];
}

async function states(change: Answers = {}): Promise<Readonly<Record<string, string>>> {
  const { standards } = JSON.parse((await report(change)).out) as Parsed;
  return Object.fromEntries(
    standards.flatMap(({ controls }) => controls.map(({ id, state }) => [id, state])),
  );
}

describe('a compliance report', () => {
  it('passes for a sound broker, except for what the broker cannot see', async () => {
    const found = await states();
    const others = Object.entries(found).filter(([, state]) => state !== 'pass');
    expect(others).toEqual([
      ['4.3.3', 'not-assessed'],
      ['4.4.2', 'not-assessed'],
    ]);
  });

  it.each([
    ['secret_in_environment', 'x', ['5.4.1', '4.1.4', '8.6.2']],
    ['default_service_account', 'x', ['5.1.5']],
    ['service_account_token', 'x', ['5.1.6']],
    ['image_not_pinned', 'x', ['5.5.1', '4.1.5']],
    ['ephemeral_container', 'x', ['4.4.5']],
    ['pod_security', '/spec/x must be false (restricted v1.37: privileged)', ['5.2.2', '5.6.3']],
    [
      'pod_security',
      '/spec/x must be set (restricted v1.37: seccompProfile_restricted)',
      ['5.6.2'],
    ],
    ['pod_security', '/spec/x must be set (restricted v1.37: capabilities_restricted)', ['5.2.8']],
  ])('fails for a pod with %s: %s', async (code, message, ids) => {
    const findings = [{ code, status: 'fail', message }];
    const found = await states({
      surveyPosture: () => ({ items: [{ ...FIT, met: false, findings }] }),
    });
    for (const id of ids) expect([id, found[id]]).toEqual([id, 'fail']);
    if (code === 'pod_security' && !message.includes('privileged'))
      expect(found['5.2.2']).toBe('pass');
  });

  it.each([
    ['no gate', { listPostureProfiles: () => ({ items: [] }) }, ['5.5.1', '11.3.1', 'CC6.8']],
    ['late rotations', { listRotations: () => ({ items: [{ path: 'a' }] }) }, ['8.6.3']],
    [
      'a role binding without a second factor',
      { listRoleBindings: () => ({ items: [{ name: 'a', document: { grants: [] } }] }) },
      ['8.4.2'],
    ],
    [
      'a live token with the role admin',
      {
        listOperators: () => ({
          items: [{ name: 'x', document: { grants: [{ role: 'admin' }] } }],
        }),
        listOperatorTokens: () => ({
          items: [{ endsAt: '2026-07-01T00:00:00.000Z', carries: [{ role: 'admin' }] }],
        }),
      },
      ['8.4.2'],
    ],
    ['one admin alone', { listApprovals: () => ({ items: [], required: [] }) }, ['CC6.2']],
    [
      'damage in the log',
      { readStatus: () => brokerStatus({ ...LOG, damagedEntries: 2 }) },
      ['10.3.2', '10.3.4', 'CC8.1'],
    ],
    ['no sink', { readStatus: () => brokerStatus({ ...LOG, sinks: [] }) }, ['10.3.3']],
    [
      'an unused grant',
      { replayPolicies: () => ({ items: [], grants: [], skipped: [], widened: [], entries: 1 }) },
      ['7.2.5'],
    ],
    ['no backup', { listBackups: () => ({ items: [] }) }, ['A1.2']],
    [
      'no backup section',
      {
        listBackups: () => {
          throw refusal(409, 'ERR_CONFLICT');
        },
      },
      ['A1.2'],
    ],
    [
      'a failing key',
      {
        readKeys: () => ({
          rotating: false,
          keys: [],
          keks: [{ id: 'f', configured: true, problem: 'ERR_X' }],
        }),
      },
      ['CC6.1'],
    ],
  ] as readonly (readonly [string, Answers, readonly string[]])[])(
    'fails for %s',
    async (_what, change, ids) => {
      const found = await states(change);
      for (const id of ids) expect([id, found[id]]).toEqual([id, 'fail']);
    },
  );

  it('does not pass what the caller may not see', async () => {
    const denied = (): never => {
      throw refusal(403, 'ERR_DENIED', { detail: 'this needs the role admin' });
    };
    const found = await states({ listOperators: denied, surveyPosture: denied });
    expect(found).toMatchObject({
      '8.4.2': 'not-assessed',
      '5.4.1': 'not-assessed',
      '5.6.3': 'not-assessed',
    });
  });

  it('counts the logins of people, and leaves live tokens of machines to the auditor', async () => {
    const operator = (name: string, role: string) => ({ name, document: { grants: [{ role }] } });
    const tokens: Readonly<Record<string, readonly object[]>> = {
      ci: [{ endsAt: '2026-07-01T00:00:00.000Z', carries: [{ role: 'evidence-writer' }] }],
      expired: [{ endsAt: '2026-05-31T00:00:00.000Z', carries: [{ role: 'admin' }] }],
      narrowed: [{ endsAt: '2026-07-01T00:00:00.000Z', carries: [{ role: 'auditor' }] }],
    };
    const items = [
      operator('ci', 'evidence-writer'),
      operator('expired', 'admin'),
      operator('narrowed', 'admin'),
      operator('unused', 'admin'),
    ];
    const strongLogin = async (change: Answers): Promise<object | undefined> => {
      const { out } = await report(change, { standard: ['pci-dss-4.0.1'] });
      const controls = (JSON.parse(out) as Parsed).standards[0]?.controls ?? [];
      return controls.find(({ id }) => id === '8.4.2')?.checks[0];
    };
    const listOperatorTokens: Answers[string] = ({ path }) => ({
      items: tokens[path?.['name'] ?? ''] ?? [],
    });
    const found = await strongLogin({ listOperators: () => ({ items }), listOperatorTokens });
    expect(found).toMatchObject({
      state: 'not-assessed',
      text: '1 of 1 role binding of people (100 %) prove a second factor; 2 operators with a live token, which proves none: ci, narrowed; the broker does not know whether machines or people use them',
      examples: [],
    });
    const unused = { items: items.slice(3) };
    expect(await strongLogin({ listOperators: () => unused, listOperatorTokens })).toMatchObject({
      state: 'pass',
      text: '1 of 1 role binding of people (100 %) prove a second factor',
    });
  });

  it('has no control of pods where no pod holds a session', async () => {
    const found = await states({ surveyPosture: () => ({ items: [] }) });
    expect(found).toMatchObject({ '5.2.2': 'not-applicable', '5.4.1': 'not-applicable' });
  });

  it('names the commands, the entries and the checkpoint that prove it', async () => {
    const { code, out } = await report({}, { standard: ['soc-2'] });
    expect(code).toBe(0);
    expect((await report({ listBackups: () => ({ items: [] }) })).code).toBe(1);
    const parsed = JSON.parse(out) as Parsed & { readonly checkpoint: string };
    expect(parsed.checkpoint).toContain('log.test\n42');
    expect(parsed.standards.map(({ name }) => name)).toEqual(['soc-2']);
    const changes = parsed.standards[0]?.controls.find(({ id }) => id === 'CC8.1')?.checks[0];
    expect(changes).toMatchObject({
      entries: [40],
      query: 'quaymaster audit search --action document.write --since 90d',
      text: '1 change of a document since 2026-03-03; the log says who, when and why',
    });
  });

  it('has one line for each check as CSV, and no cell that a spreadsheet runs', async () => {
    const findings = [{ code: 'image_not_pinned', status: 'fail', message: 'say "no", please' }];
    const pod = { name: '=cmd()', uid: 'u' };
    const surveyPosture = () => ({
      items: [{ ...FIT, workload: '=1+1', pod, met: false, findings }],
    });
    const { out } = await report(
      { surveyPosture },
      { as: 'csv', standard: ['nist-800-190'] },
      'table',
    );
    const lines = out.split('\n');
    expect(lines[0]).toBe(
      'standard,control,title,state,check,check_state,seen,examples,query,entries',
    );
    const line = lines.find((each) => each.includes('pinned_images')) ?? '';
    expect(line).toContain(`"'=1+1 =cmd(): say ""no"", please"`);
    expect(lines.find((each) => each.includes('4.3.3'))).toMatch(/,not-assessed,,,,,,$/);
  });

  it('contains no markup of strangers as HTML, and loads nothing', async () => {
    const findings = [{ code: 'image_not_pinned', status: 'fail', message: '<script>x</script>' }];
    const surveyPosture = () => ({ items: [{ ...FIT, met: false, findings }] });
    const { out } = await report({ surveyPosture }, { as: 'html' }, 'table');
    expect(out).toMatch(/^<!doctype html>/);
    expect(out).toContain('&lt;script&gt;x&lt;/script&gt;');
    expect(out).not.toMatch(/<script|<img|<link|src=/);
    expect(out).toContain('5.1.5 Workloads have service accounts of their own');
  });

  it('refuses two forms at once', async () => {
    await expect(report({}, { as: 'csv' }, 'json')).rejects.toThrow(UsageError);
  });
});

describe('the standards', () => {
  it('use every check', () => {
    const used = STANDARD_NAMES.flatMap((name) =>
      STANDARDS[name].controls.flatMap(({ checks }) => checks),
    );
    expect([...new Set<string>(used)].toSorted()).toEqual(Object.keys(CHECKS).toSorted());
  });

  it.each(STANDARD_NAMES)('%s lists each control once', (name) => {
    const ids = STANDARDS[name].controls.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
  });
});
