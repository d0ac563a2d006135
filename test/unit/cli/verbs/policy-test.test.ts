import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { failureOf } from '../../../../src/cli/output/failure.ts';
import { runPolicyTest } from '../../../../src/cli/verbs/policy-test.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';
import { ScriptedBroker } from '../../../kit/cli/scripted-api.ts';

removeTreesAfterEach();

const POLICY = `apiVersion: quaymaster.dev/v1
kind: AccessPolicy
metadata: { name: payments }
spec:
  subjects:
    - { clusters: [prod], namespaces: [payments], serviceAccounts: [api] }
  rules:
    - name: own
      effect: allow
      paths: ['payments/\${namespace}/**']
      capabilities: [read]
    - name: office
      effect: allow
      paths: [payments/office]
      capabilities: [read]
      conditions:
        sourceCidrs: [10.0.0.0/8]
        timeWindows: [{ from: '08:00', to: '18:00', timeZone: UTC }]
    - name: cards
      effect: allow
      paths: [payments/cards]
      capabilities: [read]
      conditions: { sealedDelivery: true }
`;

function fixture(...tests: readonly string[]): string {
  const items = tests.map((test) => `  - ${test}\n`).join('');
  return `apiVersion: quaymaster.dev/v1\nkind: PolicyTest\ntests:\n${items}`;
}

const API = 'who: k8s://prod/payments/api, capability: read';

async function run(tests: string, format: 'table' | 'json' = 'table') {
  const directory = await fileTree({ 'policies/p.yaml': POLICY, 'tests.yaml': tests });
  const context = cliContext({ format });
  const exit = await runPolicyTest(context, {
    args: [join(directory, 'tests.yaml')],
    options: { policies: join(directory, 'policies') },
  });
  return { exit, out: context.out() };
}

describe('policy test', () => {
  it('passes when the decision and the named rule match', async () => {
    const { exit, out } = await run(
      fixture(
        `{ ${API}, path: payments/payments/db, expect: allow, rule: payments/own, name: own }`,
        `{ ${API}, path: payments/other/db, expect: deny }`,
      ),
    );
    expect({ exit, out }).toEqual({
      exit: 0,
      out: 'ok   own\nok   k8s://prod/payments/api read payments/other/db: deny\n2 passed, 0 failed\n',
    });
  });

  it('fails with the place of the test and the reasons of the decision', async () => {
    const { exit, out } = await run(
      fixture(`{ ${API}, path: payments/other/db, expect: allow, name: wrong }`),
    );
    expect(exit).toBe(1);
    expect(out).toMatch(/FAIL wrong\n {5}\S+tests\.yaml:4: k8s/);
    expect(out).toContain('expected allow');
    expect(out).toContain('denied: no allow matches');
    expect(out).toContain('close: policy payments v0, own would allow this');
  });

  it('fails when another rule decided', async () => {
    const { exit } = await run(
      fixture(`{ ${API}, path: payments/payments/db, expect: allow, rule: payments/office }`),
    );
    expect(exit).toBe(1);
  });

  it.each([
    ["sourceAddress: 10.1.2.3, at: '2026-01-05T10:00:00Z'", 'allow'],
    ["sourceAddress: 10.1.2.3, at: '2026-01-05T20:00:00Z'", 'deny'],
    ["sourceAddress: 192.0.2.1, at: '2026-01-05T10:00:00Z'", 'deny'],
    ['sourceAddress: 10.1.2.3', 'deny'],
    ["at: '2026-01-05T10:00:00Z'", 'deny'],
  ])('uses only the facts in the test: %s is %s', async (facts, expected) => {
    const { out } = await run(
      fixture(`{ ${API}, path: payments/office, ${facts}, expect: ${expected} }`),
    );
    expect(out).toContain('1 passed, 0 failed');
  });

  it.each([
    ['sealed: true', 'allow'],
    ['sealed: false', 'deny'],
  ])('uses the delivery of values in the test: %s is %s', async (facts, expected) => {
    const { out } = await run(
      fixture(`{ ${API}, path: payments/cards, ${facts}, expect: ${expected} }`),
    );
    expect(out).toContain('1 passed, 0 failed');
  });

  it('gives machines every test with its place', async () => {
    const tests = fixture(`{ ${API}, path: payments/other, expect: allow }`);
    const { out } = await run(tests, 'json');
    expect(JSON.parse(out)).toMatchObject({
      passed: 0,
      failed: 1,
      items: [{ path: 'payments/other', decided: { effect: 'deny' }, passed: false, line: 4 }],
    });
  });

  it('lists every problem of a test file, each at its line', async () => {
    const tests = fixture(
      '{ who: payments/api, capability: see, path: a//b, expect: maybe }',
      `{ ${API}, path: a, expect: deny, sourceAddress: here, typo: 1 }`,
    );
    const failure = failureOf(await run(tests).catch((error: unknown) => error));
    expect(failure.exitCode).toBe(64);
    const lines = failure.text.split('\n').slice(1);
    expect(lines.map((line) => /:(\d+):\d+: (\S+)/.exec(line)?.slice(1))).toEqual([
      ['4', '/tests/0/who'],
      ['4', '/tests/0/capability'],
      ['4', '/tests/0/path'],
      ['4', '/tests/0/expect'],
      ['5', '/tests/1/typo'],
      ['5', '/tests/1/sourceAddress'],
    ]);
  });

  it('calls the broker if the file names no policies', async () => {
    const directory = await fileTree({
      't.yaml': fixture(
        `{ ${API}, path: a, expect: allow, sourceAddress: 10.0.0.1, sealed: true }`,
      ),
    });
    const broker = new ScriptedBroker({
      explainDecision: () => ({
        decision: { effect: 'allow', policy: 'p', version: 3, rule: 'r' },
        lines: ['allowed by policy p v3, r'],
        blocks: [],
      }),
    });
    const context = cliContext({ broker });
    const call = { args: [join(directory, 't.yaml')], options: {} };
    expect(await runPolicyTest(context, call)).toBe(0);
    const workload = { cluster: 'prod', namespace: 'payments', serviceAccount: 'api' };
    const body = {
      workload,
      capability: 'read',
      path: 'a',
      sourceAddress: '10.0.0.1',
      sealed: true,
    };
    expect(broker.asked).toEqual([{ id: 'explainDecision', body }]);
  });

  it('fails when a quarantine refuses what the policies allow', async () => {
    const directory = await fileTree({
      't.yaml': fixture(`{ ${API}, path: a, expect: allow, sourceAddress: 10.0.0.1 }`),
    });
    const broker = new ScriptedBroker({
      explainDecision: () => ({
        decision: { effect: 'allow', policy: 'p', version: 3, rule: 'r' },
        lines: ['allowed by policy p v3, r', 'blocked: the workload is in quarantine'],
        blocks: [{ by: 'quarantine' }],
      }),
    });
    const context = cliContext({ broker });
    const call = { args: [join(directory, 't.yaml')], options: {} };
    expect(await runPolicyTest(context, call)).toBe(1);
    expect(context.out()).toContain('blocked: the workload is in quarantine');
  });
});
