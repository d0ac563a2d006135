import { describe, it, expect } from '@jest/globals';
import { compilePolicies, explain } from '../../../../src/domain/policy/index.ts';
import type { AccessRequest, Explanation } from '../../../../src/domain/policy/index.ts';
import {
  ALL_WORKLOADS,
  REQUEST,
  allow,
  deny,
  storedPolicy,
} from '../../../kit/policy/documents.ts';

const OFFICE = { timeWindows: [{ from: '12:00', to: '13:00', timeZone: 'UTC' }] };
const podless: AccessRequest['workload'] = {
  cluster: 'prod',
  namespace: 'pay-eu',
  serviceAccount: 'api',
  serviceAccountUid: 'sa-uid',
};

function explained(
  rules: readonly unknown[],
  request: Partial<AccessRequest> = {},
  subject: object = {},
): Explanation {
  const policy = storedPolicy({ version: 4, subjects: [{ ...ALL_WORKLOADS, ...subject }], rules });
  return explain(compilePolicies([policy]), { ...REQUEST, ...request });
}

/** `failed: detail` of the only near miss. */
function miss(...asked: Parameters<typeof explained>): string {
  const { nearMisses, matched } = explained(...asked);
  expect(matched).toEqual([]);
  expect(nearMisses).toHaveLength(1);
  return `${nearMisses[0]!.failed}: ${nearMisses[0]!.detail}`;
}

describe('explain', () => {
  it('names the policy, version and rule that allowed, and its time', () => {
    const explanation = explained([allow(['payments/**'], { name: 'own', maxLeaseTtl: '15m' })]);
    expect(explanation).toEqual({
      decision: {
        effect: 'allow',
        policy: 'policy',
        version: 4,
        rule: 'own',
        maxLeaseTtlSeconds: 900,
      },
      matched: [{ policy: 'policy', version: 4, rule: 'own', effect: 'allow' }],
      nearMisses: [],
      complete: true,
      lines: [
        'allowed by policy policy v4, own, leases of at most 900 s',
        'matched: allow of policy policy v4, own',
      ],
    });
  });

  it('names the rule that denied and the allow that it overrules', () => {
    expect(explained([allow(['**']), deny(['payments/*'])]).lines).toEqual([
      'denied by policy policy v4, rules[1]',
      'matched: allow of policy policy v4, rules[0]',
      'matched: deny of policy policy v4, rules[1]',
    ]);
  });

  it('names the rules that nearly match if none matches', () => {
    expect(explained([allow(['payments/mail'])]).lines).toEqual([
      'denied: no allow matches',
      'close: policy policy v4, rules[0] would allow this, but its path does not match: no pattern matches the path',
    ]);
  });

  it('names no rule if the path is not valid', () => {
    expect(explained([allow(['**'])], { path: '../x' })).toEqual({
      decision: { effect: 'deny', reason: 'path_invalid' },
      matched: [],
      nearMisses: [],
      complete: true,
      lines: ['denied: the path is not valid'],
    });
  });

  it('names the one element that failed', () => {
    const own = [allow(['payments/**'])];
    const sources = { conditions: { sourceCidrs: ['192.0.2.0/24'] } };
    expect(miss(own, {}, { namespaces: ['other'] })).toBe('subject: no subject names the workload');
    expect(miss(own, {}, { podLabels: { a: 'b' } })).toBe('subject: the pod lacks the labels');
    expect(miss(own, { podLabels: undefined }, { podLabels: { a: 'b' } })).toBe(
      'subject: the labels of the pod are not known',
    );
    expect(miss(own, { capability: 'write' })).toBe('capability: the rule is for read');
    expect(miss(own, { path: 'other' })).toBe('path: no pattern matches the path');
    expect(miss([allow(['payments/${podName}'])], { workload: podless })).toBe(
      'path: a variable has no usable value',
    );
    expect(miss([allow(['other/${podName}'])], { workload: podless })).toBe(
      'path: no pattern matches the path',
    );
    expect(miss([allow(['**'], { conditions: OFFICE })])).toBe(
      'condition: the time is in none of the windows',
    );
    expect(miss([allow(['**'], { conditions: OFFICE })], { now: Number.NaN })).toBe(
      'condition: the time is not known',
    );
    expect(miss([allow(['**'], sources)])).toBe(
      'condition: the source address 10.1.2.3 is in none of the networks',
    );
    expect(miss([allow(['**'], sources)], { sourceAddress: 'x' })).toBe(
      'condition: the source address is not known',
    );
    const sealed = [allow(['**'], { conditions: { sealedDelivery: true } })];
    expect(miss(sealed, { sealed: false })).toBe('condition: answers are not sealed');
    expect(miss(sealed)).toBe('condition: it is not known whether answers are sealed');
    expect(miss([deny(['**'], { conditions: { sealedDelivery: false } })], { sealed: true })).toBe(
      'condition: answers are sealed',
    );
  });

  it('counts two conditions that failed as one element', () => {
    const conditions = { ...OFFICE, sourceCidrs: ['192.0.2.0/24'] };
    expect(miss([allow(['**'], { conditions })])).toBe(
      'condition: the source address 10.1.2.3 is in none of the networks; the time is in none of the windows',
    );
  });

  it('leaves out rules that failed in two elements', () => {
    const rules = [
      allow(['other'], { capabilities: ['write'] }),
      allow(['other'], { conditions: OFFICE }),
    ];
    expect(explained(rules).nearMisses).toEqual([]);
    expect(
      explained([allow(['**'])], { capability: 'write' }, { namespaces: ['x'] }).nearMisses,
    ).toEqual([]);
  });

  it('names the conditions that a matching deny could not evaluate', () => {
    const details = (...asked: Parameters<typeof explained>) =>
      explained(...asked).matched.map(({ detail }) => detail);
    expect(details([deny(['payments/${podUid}'])], { workload: podless })).toEqual([
      'a variable has no usable value',
    ]);
    expect(details([deny(['**'])], { podLabels: undefined }, { podLabels: { a: 'b' } })).toEqual([
      'the labels of the pod are not known',
    ]);
  });

  it('reports the failed condition of a deny, not the unknown one', () => {
    const conditions = { ...OFFICE, sourceCidrs: ['192.0.2.0/24'] };
    expect(miss([deny(['**'], { conditions })], { sourceAddress: 'x' })).toBe(
      'condition: the time is in none of the windows',
    );
  });

  it('lists rules for the workload before other rules, by policy name', () => {
    const named = ['c', 'a', 'd', 'b'].map((name, index) =>
      storedPolicy({
        name,
        subjects: [{ ...ALL_WORKLOADS, namespaces: [index < 2 ? 'other' : '*'] }],
        rules: [allow(['mail'])],
      }),
    );
    const strangers = ['f', 'e'].map((name) =>
      storedPolicy({
        name,
        subjects: [{ ...ALL_WORKLOADS, clusters: ['dev'] }],
        rules: [allow(['**'])],
      }),
    );
    const { nearMisses } = explain(compilePolicies([...strangers, ...named]), REQUEST);
    expect(nearMisses.map(({ policy }) => policy)).toEqual(['b', 'd', 'e', 'f']);
  });

  it('limits its notes and reports the limit', () => {
    const rules = Array.from({ length: 60 }, () => allow(['**']));
    const { matched, complete, lines } = explained(rules);
    expect([matched.length, complete]).toEqual([50, false]);
    expect(lines.at(-1)).toBe('not every rule was checked or is shown');
  });

  it('limits the rules that it visits', () => {
    const rules = Array.from({ length: 100 }, () => allow(['x'], { capabilities: ['write'] }));
    const policies = Array.from({ length: 51 }, (_, n) => storedPolicy({ name: `p${n}`, rules }));
    expect(explain(compilePolicies(policies), REQUEST).complete).toBe(false);
    expect(explain(compilePolicies(policies.slice(0, 50)), REQUEST).complete).toBe(true);
  });
});
