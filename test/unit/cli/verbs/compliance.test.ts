import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { CHECKS } from '../../../../src/cli/reports/compliance/checks.ts';
import { STANDARD_NAMES, STANDARDS } from '../../../../src/cli/reports/compliance/standards.ts';
import { runCompliance } from '../../../../src/cli/verbs/compliance.ts';
import { UsageError } from '../../../../src/cli/kernel/errors.ts';
import { brokerStatus } from '../../../kit/cli/broker-status.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { refusal, ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

type Answers = ConstructorParameters<typeof ScriptedBroker>[0];

/** Numbers of section 5 of the CIS Kubernetes Benchmark 1.12. */
const CIS_1_12 = [
  '5.1.1',
  '5.1.2',
  '5.1.3',
  '5.1.4',
  '5.1.5',
  '5.1.6',
  '5.1.7',
  '5.1.8',
  '5.1.9',
  '5.1.10',
  '5.1.11',
  '5.1.12',
  '5.1.13',
  '5.2.1',
  '5.2.2',
  '5.2.3',
  '5.2.4',
  '5.2.5',
  '5.2.6',
  '5.2.7',
  '5.2.8',
  '5.2.9',
  '5.2.10',
  '5.2.11',
  '5.2.12',
  '5.3.1',
  '5.3.2',
  '5.4.1',
  '5.4.2',
  '5.5.1',
  '5.6.1',
  '5.6.2',
  '5.6.3',
  '5.6.4',
];
const NOW = Date.parse('2026-06-01T00:00:00Z');
const UNCHECKED = {
  unwitnessedSeconds: 3,
  witnesses: [{ name: 'w', failing: false, contradicts: false }],
};
const LOG = { ...UNCHECKED, checkedAt: new Date(NOW - 3_600_000).toISOString() };
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
          pod: { securityStandard: { level: 'restricted' } },
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
  listDefinitions: () => ({ items: [{ name: 'shop/db', document: { rotation: {} } }] }),
  listSecrets: () => ({ items: [{ path: 'shop/db' }] }),
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
  searchAudit: () => ({
    items: [{ index: 40, entry: { locator: 'embedded:shop/db', cause: 'done' } }],
  }),
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
  it('passes for a sound broker', async () => {
    const found = await states();
    const others = Object.entries(found).filter(([, state]) => state !== 'pass');
    expect(others).toEqual([]);
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
    [
      'pod_security',
      '/spec/x must be set (restricted v1.37: capabilities_restricted)',
      ['5.2.8', '5.2.9'],
    ],
    ['network_policy', 'x', ['5.3.2', '4.3.3', '4.4.2']],
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

  it.each([
    ['for no namespace of a pod', { match: { namespaces: ['there-is-none'] } }],
    ['in the mode audit', { mode: 'audit' }],
    ['for some secrets only', { match: { secretPaths: ['shop/db'] } }],
    ['for any repository', { image: { registries: ['**'] } }],
    ['against negligible vulnerabilities only', { vulnerabilities: { deny: ['NEGLIGIBLE'] } }],
    ['that allows what it does not know', { onUnknown: 'allow' }],
  ])('is the same with a profile %s as without one', async (_what, change) => {
    const profile = { mode: 'enforce', image: { registries: ['r.test/**'] }, ...change };
    const listPostureProfiles = () => ({ items: [{ name: 'p', document: profile }] });
    const surveyPosture: Answers[string] = ({ body }) => {
      const { match = {} } = body as { match?: { namespaces?: readonly string[] } };
      return { items: match.namespaces === undefined ? [{ ...FIT, met: true, findings: [] }] : [] };
    };
    const none = await states({ surveyPosture, listPostureProfiles: () => ({ items: [] }) });
    const one = await states({ surveyPosture, listPostureProfiles });
    const weak =
      'vulnerabilities' in change
        ? { ...one, '5.5.1': 'fail', '4.1.5': 'fail', 'CC6.8': 'fail' }
        : one;
    expect(weak).toEqual(none);
    expect(none).toMatchObject({ '5.5.1': 'fail', '11.3.1': 'fail', 'CC6.8': 'fail' });
  });

  it('fails for a gate that some pods are not under, and counts them', async () => {
    const other = { ...FIT, pod: { name: 'web-1', uid: 'u1' }, met: true, findings: [] };
    const surveyPosture: Answers[string] = ({ body }) => {
      const isDraft = (body as { mode: string }).mode === 'audit';
      return { items: [{ ...FIT, met: true, findings: [] }, ...(isDraft ? [other] : [])] };
    };
    const { out } = await report({ surveyPosture }, { standard: ['pci-dss-4.0.1'] });
    const controls = (JSON.parse(out) as Parsed).standards[0]?.controls ?? [];
    expect(controls.find(({ id }) => id === '11.3.1')).toMatchObject({
      state: 'fail',
      checks: [
        {
          text: '1 of 2 pods with a session are under an enforced posture profile that denies images with critical vulnerabilities: production',
          examples: ['k8s://prod/shop/web web-1'],
        },
      ],
    });
  });

  it('does not pass for a pod that the broker does not know', async () => {
    const surveyPosture = () => ({ items: [{ ...FIT, known: false, met: true, findings: [] }] });
    expect(await states({ surveyPosture })).toMatchObject({
      '5.2.2': 'not-assessed',
      '11.3.1': 'fail',
    });
  });

  it('has the numbers of the CIS benchmark', () => {
    const { controls } = STANDARDS['cis-kubernetes-1.12'];
    const checks = Object.fromEntries(controls.map(({ id, checks: own }) => [id, own]));
    expect(checks).toMatchObject({
      '5.2.1': ['posture_gate'],
      '5.2.8': ['few_capabilities'],
      '5.2.9': ['few_capabilities'],
      '5.2.10': ['no_host_process'],
      '5.2.11': ['no_host_path'],
      '5.2.12': ['no_host_ports'],
      '5.3.2': ['network_policies'],
    });
    expect(Object.keys(checks).filter((id) => !CIS_1_12.includes(id))).toEqual([]);
  });

  it('passes nothing without evidence, whatever the configuration is', async () => {
    const world = fc.record({
      pods: fc.array(fc.record({ known: fc.boolean(), unknownFinding: fc.boolean() }), {
        maxLength: 3,
      }),
      profile: fc.record({
        mode: fc.constantFrom('enforce', 'audit'),
        onUnknown: fc.constantFrom('allow', 'deny'),
        pod: fc.constantFrom({}, { securityStandard: { level: 'baseline' } }),
        image: fc.record({ registries: fc.constantFrom<string[]>([], ['**'], ['r.test/**']) }),
        vulnerabilities: fc.record({
          deny: fc.constantFrom<string[]>([], ['NEGLIGIBLE'], ['CRITICAL']),
        }),
        match: fc.record({ secretPaths: fc.constantFrom<string[]>([], ['shop/**']) }),
      }),
      coversAll: fc.boolean(),
      entries: fc.boolean(),
      secrets: fc.boolean(),
      definitions: fc.boolean(),
      policies: fc.boolean(),
      bindings: fc.boolean(),
      witnesses: fc.boolean(),
      sinks: fc.boolean(),
      keys: fc.boolean(),
      backups: fc.boolean(),
      checked: fc.boolean(),
      required: fc.boolean(),
      until: fc.constantFrom(undefined, 'expired', 'live'),
    });
    await fc.assert(
      fc.asyncProperty(world, async (drawn) => {
        const all = drawn.pods.map(({ known, unknownFinding }, at) => ({
          ...FIT,
          pod: { name: `p${at}`, uid: `u${at}` },
          known,
          met: true,
          findings: unknownFinding
            ? [{ code: 'pod_security', status: 'tolerated', message: 'x' }]
            : [],
        }));
        const some = (isThere: boolean, item: object): object => ({ items: isThere ? [item] : [] });
        const surveyPosture: Answers[string] = ({ body }) => {
          const isDraft =
            'network' in (body as object) || (body as { match?: object }).match === undefined;
          return { items: isDraft || drawn.coversAll ? all : [] };
        };
        const { out } = await report({
          surveyPosture,
          listPostureProfiles: () => some(true, { name: 'p', document: drawn.profile }),
          searchAudit: () =>
            some(drawn.entries, {
              index: 40,
              entry: { locator: 'embedded:x', cause: 'done' },
            }),
          listSecrets: () => some(drawn.secrets, { path: 'shop/db' }),
          listDefinitions: () =>
            some(drawn.definitions, { name: 'shop/db', document: { rotation: {} } }),
          listPolicies: () =>
            some(drawn.policies, {
              name: 'shop',
              updatedAt: '2026-01-01T00:00:00.000Z',
              document: POLICY,
            }),
          listRoleBindings: () =>
            some(drawn.bindings, {
              name: 'a',
              document: { amr: ['hwk'], grants: [{ role: 'admin' }] },
            }),
          readStatus: () =>
            brokerStatus({
              ...(drawn.checked ? LOG : UNCHECKED),
              ...(!drawn.witnesses && { witnesses: [] }),
              ...(!drawn.sinks && { sinks: [] }),
            }),
          listApprovals: () => ({ items: [], required: drawn.required ? ['admin'] : [] }),
          listOperators: () =>
            some(drawn.until !== undefined, {
              name: 'x',
              document: { grants: [{ role: 'auditor' }] },
            }),
          listOperatorTokens: () => ({
            items: [
              {
                endsAt: new Date(NOW + (drawn.until === 'live' ? 1 : -1) * 1_000).toISOString(),
                carries: [{ role: 'auditor' }],
              },
            ],
          }),
          ...(!drawn.keys && { readKeys: () => ({ rotating: false, keys: [], keks: [] }) }),
          listBackups: () =>
            some(drawn.backups, { name: 'b', createdAt: '2026-05-31T00:00:00.000Z' }),
        });
        const { standards } = JSON.parse(out) as Parsed & {
          standards: { controls: { checks: { state: string }[] }[] }[];
        };
        const { profile } = drawn;
        const isSeen = all.length > 0 && drawn.pods.every(({ known }) => known);
        const isGate =
          isSeen &&
          drawn.coversAll &&
          profile.mode === 'enforce' &&
          profile.onUnknown === 'deny' &&
          profile.match.secretPaths.length === 0;
        const evidence: Partial<Record<string, boolean>> = {
          image_trust: isGate && profile.image.registries.includes('r.test/**'),
          vulnerability_gate: isGate && profile.vulnerabilities.deny.includes('CRITICAL'),
          posture_gate: isGate && 'securityStandard' in profile.pod,
          named_namespaces: all.length > 0,
          narrow_policies: drawn.policies,
          used_grants: drawn.policies,
          external_storage: drawn.entries,
          rotation: drawn.entries && drawn.secrets && drawn.definitions,
          strong_login: drawn.bindings && drawn.until !== 'live',
          log_witnessed: drawn.witnesses,
          log_delivered: drawn.sinks,
          log_retained: drawn.entries,
          keys: drawn.keys,
          backups: drawn.backups,
          changes: drawn.entries,
          refusals: drawn.entries,
          quarantines: drawn.entries,
          logins: drawn.entries,
          // These state a setting or a fact of the broker itself.
          admins: true,
          two_persons: drawn.required,
          tls: true,
          log_intact: drawn.checked,
        };
        const passed = standards.flatMap(({ controls }) =>
          controls.flatMap(({ state, checks }) =>
            state === 'pass'
              ? checks.filter((each) => (each as { state?: string }).state === 'pass')
              : [],
          ),
        );
        const unfounded = passed
          .map(({ check }) => check)
          .filter((check) => !(evidence[check] ?? isSeen));
        expect(unfounded).toEqual([]);
      }),
      { numRuns: 200 },
    );
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
