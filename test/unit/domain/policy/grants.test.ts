import fc from 'fast-check';
import { describe, expect, it } from '@jest/globals';
import {
  compilePolicies,
  compilePolicy,
  decide,
  decidePossible,
  grantsFor,
  grantsOf,
  viewFor,
  widenedGrants,
  type AccessRequest,
} from '../../../../src/domain/policy/index.ts';
import {
  ALL_WORKLOADS,
  REQUEST,
  allow,
  deny,
  storedPolicy,
  type PolicySketch,
} from '../../../kit/policy/documents.ts';

const NETWORK = { conditions: { sourceCidrs: ['10.0.0.0/8'] } };
const HOURS = {
  conditions: { timeWindows: [{ from: '08:00', to: '18:00', timeZone: 'UTC' }] },
};
const SEALED = { conditions: { sealedDelivery: true } };
const LABELLED = { ...ALL_WORKLOADS, podLabels: { app: 'api' } };

function possible(sketch: PolicySketch, more: Partial<AccessRequest>) {
  const view = viewFor(compilePolicies([storedPolicy(sketch)]), REQUEST.workload);
  const { decision, dependsOn } = decidePossible(view, { ...REQUEST, ...more });
  return { effect: decision.effect, dependsOn };
}

describe('decidePossible', () => {
  const unknown: Partial<AccessRequest> = {
    podLabels: undefined,
    sourceAddress: '',
    now: Number.NaN,
    sealed: undefined,
  };

  it.each([
    ['podLabels', { subjects: [LABELLED], rules: [allow(['**'])] }],
    ['sourceAddress', { rules: [allow(['**'], NETWORK)] }],
    ['time', { rules: [allow(['**'], HOURS)] }],
    ['sealed', { rules: [allow(['**'], SEALED)] }],
  ] as const)('names %s if the effect depends on it and it is unknown', (fact, sketch) => {
    expect(possible(sketch, unknown)).toEqual({ effect: 'deny', dependsOn: [fact] });
    expect(possible(sketch, { sealed: true })).toEqual({ effect: 'allow', dependsOn: [] });
  });

  it('names the unknown fact of a deny that may win', () => {
    const rules = [allow(['**']), deny(['payments/**'], NETWORK)];
    expect(possible({ rules }, unknown)).toEqual({ effect: 'deny', dependsOn: ['sourceAddress'] });
  });

  it('names the rules that may decide', () => {
    const rules = [allow(['**'], NETWORK), allow(['other']), deny(['payments/**'], HOURS)];
    const view = viewFor(compilePolicies([storedPolicy({ rules })]), REQUEST.workload);
    const { among } = decidePossible(view, {
      ...REQUEST,
      sourceAddress: '',
      now: Number.NaN,
    });
    expect(among.map(({ label }) => label)).toEqual(['rules[0]', 'rules[2]']);
  });

  it('is certain if another rule decides whatever the unknown fact is', () => {
    const rules = [allow(['**']), allow(['**'], NETWORK)];
    expect(possible({ rules }, unknown)).toEqual({ effect: 'allow', dependsOn: [] });
    const denied = [allow(['**'], NETWORK), deny(['**'])];
    expect(possible({ rules: denied }, unknown)).toEqual({ effect: 'deny', dependsOn: [] });
  });

  it('does not name a fact of a rule that a known fact excludes', () => {
    const rules = [allow(['**'], { conditions: { ...NETWORK.conditions, ...SEALED.conditions } })];
    expect(possible({ rules }, { sourceAddress: '192.0.2.1' })).toEqual({
      effect: 'deny',
      dependsOn: [],
    });
  });
});

describe('grantsFor', () => {
  it('returns each pattern of each allow rule that matches, and no other', () => {
    const policy = storedPolicy({
      rules: [
        allow(['payments/*', '${namespace}/**', '**'], { name: 'wide' }),
        allow(['payments/db'], { capabilities: ['write'] }),
        deny(['other/**']),
        allow(['payments/db'], NETWORK),
      ],
    });
    const view = viewFor(compilePolicies([policy]), REQUEST.workload);
    expect(grantsFor(view, REQUEST)).toEqual([
      { policy: 'policy', rule: 'wide', path: 'payments/*' },
      { policy: 'policy', rule: 'wide', path: '**' },
      { policy: 'policy', rule: 'rules[3]', path: 'payments/db' },
    ]);
    expect(grantsFor(view, { ...REQUEST, sourceAddress: '192.0.2.1' })).toHaveLength(2);
    expect(grantsOf(policy.policy).map(({ path }) => path)).toEqual([
      'payments/*',
      '${namespace}/**',
      '**',
      'payments/db',
      'payments/db',
    ]);
  });
});

describe('widenedGrants', () => {
  const compiled = (sketch: PolicySketch | undefined) =>
    sketch && compilePolicy(storedPolicy(sketch));
  const widened = (before: PolicySketch | undefined, after: PolicySketch | undefined) =>
    widenedGrants(compiled(before), compiled(after)).map(
      ({ change, path, capabilities }) => `${change} ${path} ${capabilities.join(',')}`,
    );

  it('lists all grants of a new policy, and the denies of a removed one', () => {
    const rules = [allow(['a/**']), deny(['a/root'])];
    expect(widened(undefined, { rules })).toEqual(['allow_added a/** read']);
    expect(widened({ rules }, undefined)).toEqual(['deny_removed a/root read']);
  });

  it.each([
    ['a/b', 'a/**', true],
    ['a/b', 'a/*', true],
    ['a', 'a/**', true],
    ['a/*', 'a/**', true],
    ['a/**', 'a/*', false],
    ['a/**', 'a/*/**', false],
    ['a/*/**', 'a/**', true],
    ['**/root', '**', true],
    ['**', '**/root', false],
    ['a/**', 'a/*/*', false],
    ['a/db-1*', 'a/db-*', true],
    ['a/db-*', 'a/db-1*', false],
    ['a/*', 'a/b', false],
    ['${namespace}/db', '*/db', true],
    ['${namespace}/db', '${serviceAccount}/db', false],
  ])('compares %s with the earlier %s; covered: %s', (after, before, isCovered) => {
    const found = widened({ rules: [allow([before])] }, { rules: [allow([after])] });
    expect(found).toEqual(isCovered ? [] : [`allow_added ${after} read`]);
  });

  it('never omits a pattern that allows a path which the old pattern does not', () => {
    const segment = fc.constantFrom('a', 'b', '*', 'a*', '*b', '**');
    const pattern = fc
      .array(segment, { minLength: 1, maxLength: 4 })
      .map((segments) => segments.join('/'))
      .filter((text) => !text.includes('**/**'));
    const path = fc
      .array(fc.constantFrom('a', 'b', 'ab'), { minLength: 1, maxLength: 5 })
      .map((segments) => segments.join('/'));
    const effect = (text: string, asked: string) =>
      decide(compilePolicies([storedPolicy({ rules: [allow([text])] })]), {
        ...REQUEST,
        path: asked,
      }).effect;
    fc.assert(
      fc.property(pattern, pattern, path, (before, after, asked) => {
        const found = widened({ rules: [allow([before])] }, { rules: [allow([after])] });
        if (found.length > 0 || effect(after, asked) === 'deny') return;
        expect([before, after, asked, effect(before, asked)]).toEqual([
          before,
          after,
          asked,
          'allow',
        ]);
      }),
      { numRuns: 2_000 },
    );
  });

  it.each([
    ['a new capability', {}, { capabilities: ['read', 'write'] }, 'write'],
    ['a condition removed', NETWORK, {}, 'read'],
    ['a wider network', NETWORK, { conditions: { sourceCidrs: ['0.0.0.0/0'] } }, 'read'],
    [
      'other hours',
      HOURS,
      { conditions: { timeWindows: [{ from: '07:00', to: '18:00', timeZone: 'UTC' }] } },
      'read',
    ],
    [
      'the same hours of another zone',
      HOURS,
      { conditions: { timeWindows: [{ from: '08:00', to: '18:00', timeZone: 'Europe/Zurich' }] } },
      'read',
    ],
    ['a longer lease', { maxLeaseTtl: '1h' }, { maxLeaseTtl: '2h' }, 'read'],
  ])('lists %s', (_, before, after, capabilities) => {
    const found = widened({ rules: [allow(['a'], before)] }, { rules: [allow(['a'], after)] });
    expect(found).toEqual([`allow_added a ${capabilities}`]);
  });

  it.each([
    ['a condition added', {}, NETWORK],
    ['a narrower network', NETWORK, { conditions: { sourceCidrs: ['10.1.0.0/16'] } }],
    ['a shorter lease', {}, { maxLeaseTtl: '2h' }],
  ])('does not list %s', (_, before, after) => {
    expect(widened({ rules: [allow(['a'], before)] }, { rules: [allow(['a'], after)] })).toEqual(
      [],
    );
    const denies = [{ rules: [deny(['a'], NETWORK)] }, { rules: [deny(['a'])] }];
    expect(widened(denies[0], denies[1])).toEqual([]);
    expect(widened(denies[1], denies[0])).toEqual(['deny_removed a read']);
  });

  it('lists every grant for a subject that is new or wider, and no grant for a narrower one', () => {
    const rules = [allow(['a'])];
    const api = { ...ALL_WORKLOADS, serviceAccounts: ['api'] };
    expect(widened({ subjects: [api], rules }, { rules })).toEqual(['allow_added a read']);
    expect(widened({ rules }, { subjects: [api], rules })).toEqual([]);
    expect(widened({ rules }, { subjects: [LABELLED], rules })).toEqual([]);
    expect(widened({ subjects: [LABELLED], rules }, { rules })).toEqual(['allow_added a read']);
  });
});
