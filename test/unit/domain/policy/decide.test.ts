import { describe, it, expect } from '@jest/globals';
import { compilePolicies, decide, decideIn, viewFor } from '../../../../src/domain/policy/index.ts';
import type { AccessRequest, Decision } from '../../../../src/domain/policy/index.ts';
import {
  ALL_WORKLOADS,
  REQUEST,
  allow,
  deny,
  storedPolicy,
} from '../../../kit/policy/documents.ts';
import { DECISIONS } from '../../../kit/policy/vectors.ts';
import type { DecisionFacts } from '../../../kit/policy/vectors.ts';

function requestOf(path: string, facts: DecisionFacts = {}): AccessRequest {
  const { cluster = 'prod', namespace = 'pay-eu', pod, podLabels, now, ...rest } = facts;
  const { pod: usualPod, ...podless } = REQUEST.workload;
  const bound = pod === null ? podless : { ...podless, pod: pod ?? usualPod! };
  return {
    ...REQUEST,
    ...rest,
    path,
    workload: { ...bound, cluster, namespace },
    podLabels:
      podLabels === null ? undefined : new Map(Object.entries(podLabels ?? { app: 'api' })),
    now: now === undefined ? REQUEST.now : Date.parse(now),
  };
}

function sourceOf(decision: Decision): string {
  const { policy, version, rule } = decision;
  if (policy !== undefined) return `${policy} v${version} ${rule}`;
  return 'reason' in decision ? decision.reason : '';
}

describe('decide', () => {
  const compiled = compilePolicies(DECISIONS.policies.map(storedPolicy));

  it.each(DECISIONS.cases)('decides $path: $why (P09)', ({ path, facts, ...expected }) => {
    const decision = decide(compiled, requestOf(path, facts));
    expect({ [decision.effect]: sourceOf(decision) }).toEqual(
      expected.allow === undefined ? { deny: expected.deny } : { allow: expected.allow },
    );
    if (decision.effect === 'allow') expect(decision.maxLeaseTtlSeconds).toBe(expected.ttl);
  });

  it('gives no limit if no allow sets one', () => {
    const policies = compilePolicies([storedPolicy({ rules: [allow(['**'])] })]);
    expect(decide(policies, REQUEST)).toEqual({
      effect: 'allow',
      policy: 'policy',
      version: 1,
      rule: 'rules[0]',
    });
  });

  it('names the same rule for any order in which policies were added', () => {
    const policies = ['c', 'a', 'b'].map((name) => storedPolicy({ name, rules: [allow(['**'])] }));
    for (const order of [policies, policies.toReversed()]) {
      expect(decide(compilePolicies(order), REQUEST)).toMatchObject({ policy: 'a' });
    }
  });

  it('keeps the unit of a limit', () => {
    const seconds = (maxLeaseTtl: string): Decision =>
      decide(compilePolicies([storedPolicy({ rules: [allow(['**'], { maxLeaseTtl })] })]), REQUEST);
    expect(seconds('90s')).toMatchObject({ maxLeaseTtlSeconds: 90 });
    expect(seconds('2h')).toMatchObject({ maxLeaseTtlSeconds: 7_200 });
    expect(seconds('365d')).toMatchObject({ maxLeaseTtlSeconds: 31_536_000 });
  });

  it('counts only the limits of allows for that capability', () => {
    const policies = compilePolicies([
      storedPolicy({
        rules: [
          allow(['**'], { maxLeaseTtl: '1h' }),
          allow(['**'], { maxLeaseTtl: '1m', capabilities: ['write'] }),
        ],
      }),
    ]);
    expect(decide(policies, REQUEST)).toMatchObject({ maxLeaseTtlSeconds: 3_600 });
  });

  it('counts a subject that is listed with several names once', () => {
    const subjects = [
      {
        clusters: ['dev', 'prod'],
        namespaces: ['pay-eu', 'pay-*', '*'],
        serviceAccounts: ['api', '*'],
      },
      { clusters: ['prod'], namespaces: ['*-eu'], serviceAccounts: ['a*i'] },
    ];
    const policies = compilePolicies([storedPolicy({ subjects, rules: [allow(['**'])] })]);
    expect(decide(policies, REQUEST)).toMatchObject({ effect: 'allow', rule: 'rules[0]' });
  });

  it('grants by any subject: labels of one do not restrict the other', () => {
    const names = { clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['*'] };
    const labelled = { ...names, podLabels: { tier: 'gold' } };
    const rules = [allow(['**'])];
    const one = compilePolicies([storedPolicy({ subjects: [labelled], rules })]);
    const both = compilePolicies([storedPolicy({ subjects: [labelled, names], rules })]);
    expect(decide(one, REQUEST).effect).toBe('deny');
    expect(decide(both, REQUEST).effect).toBe('allow');
    expect(decide(both, { ...REQUEST, podLabels: undefined }).effect).toBe('allow');
  });

  it('requires all labels of a subject, and any subject', () => {
    const subjects = [
      { ...ALL_WORKLOADS, podLabels: { tier: 'gold' } },
      { ...ALL_WORKLOADS, podLabels: { app: 'api', team: 'x' } },
    ];
    const policies = compilePolicies([storedPolicy({ subjects, rules: [allow(['**'])] })]);
    const effect = (labels: Record<string, string>): string =>
      decide(policies, { ...REQUEST, podLabels: new Map(Object.entries(labels)) }).effect;
    expect(effect({ tier: 'gold' })).toBe('allow');
    expect(effect({ app: 'api', team: 'x', other: 'y' })).toBe('allow');
    expect(effect({ app: 'api' })).toBe('deny');
    expect(effect({ app: 'api', team: 'y' })).toBe('deny');
  });

  it('accepts any network and any time window of a list', () => {
    const hours = { from: '09:00', to: '11:00', timeZone: 'UTC' };
    const conditions = {
      sourceCidrs: ['192.0.2.0/24', '10.0.0.0/8'],
      timeWindows: [{ ...hours, days: ['sun'] }, hours],
    };
    const policies = compilePolicies([storedPolicy({ rules: [allow(['**'], { conditions })] })]);
    expect(decide(policies, REQUEST).effect).toBe('allow');
  });

  it('widens a deny at its first variable without a value, not at the ones before', () => {
    const rules = [allow(['**']), deny(['a/${namespace}/**/${podUid}', 'b/**'])];
    const policies = compilePolicies([storedPolicy({ rules })]);
    const { cluster, namespace, serviceAccount, serviceAccountUid } = REQUEST.workload;
    const workload = { cluster, namespace, serviceAccount, serviceAccountUid };
    const effect = (path: string): string =>
      decide(policies, { ...REQUEST, workload, path }).effect;
    expect(effect('a/pay-eu/x/y')).toBe('deny');
    expect(effect('a/pay-eu')).toBe('deny');
    expect(effect('a/pay-us/x')).toBe('allow');
    expect(effect('b/x')).toBe('deny');
  });
});

describe('a view', () => {
  const viewOf = (rules: readonly unknown[], subject: object = {}) =>
    viewFor(
      compilePolicies([
        storedPolicy({
          subjects: [{ clusters: ['prod'], namespaces: ['*'], serviceAccounts: ['*'], ...subject }],
          rules,
        }),
      ]),
      REQUEST.workload,
    );

  it('depends on nothing if no rule has conditions', () => {
    expect(viewOf([allow(['a/${namespace}/${serviceAccount}/${cluster}'])]).dependsOn).toEqual({
      time: false,
      sourceAddress: false,
      podLabels: false,
      pod: false,
      sealed: false,
    });
  });

  it.each([
    [
      'time',
      { conditions: { timeWindows: [{ from: '00:00', to: '12:00', timeZone: 'UTC' }] } },
      {},
    ],
    ['sourceAddress', { conditions: { sourceCidrs: ['::/0'] } }, {}],
    ['podLabels', {}, { podLabels: { app: 'api' } }],
    ['pod', { paths: ['a/${nodeName}'] }, {}],
    ['sealed', { conditions: { sealedDelivery: false } }, {}],
  ])('reports that it depends on %s', (name, rule, subject) => {
    const { dependsOn } = viewOf([deny(['a/b'], rule)], subject);
    expect(Object.entries(dependsOn).filter(([, value]) => value)).toEqual([[name, true]]);
  });

  it('has the revision of its policies, and decides as they did', () => {
    const compiled = compilePolicies([storedPolicy({ rules: [allow(['payments/db'])] })]);
    const view = viewFor(compiled, REQUEST.workload);
    expect(view.revision).toBe(compiled.revision);
    expect(decideIn(view, REQUEST)).toEqual(decide(compiled, REQUEST));
  });
});
