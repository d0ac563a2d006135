import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  readClusterObject,
  RESOURCES,
} from '../../../../src/features/custom-resources/cluster-object.ts';
import { clusterDocumentsConfigSchema } from '../../../../src/features/custom-resources/config.ts';
import {
  ObjectAuthority,
  type WantedDocument,
} from '../../../../src/features/custom-resources/object-authority.ts';
import { reviewObject } from '../../../../src/features/custom-resources/review-object.ts';
import { statusPatch } from '../../../../src/features/custom-resources/object-status.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { BrokerError } from '../../../../src/domain/errors.ts';
import { isUnder } from '../../../../src/domain/words/names.ts';
import { compilePolicies, decide, parsePolicy } from '../../../../src/domain/policy/index.ts';

const [CONFIG] = clusterDocumentsConfigSchema.parse([
  {
    cluster: 'c1',
    connection: 'home',
    clusterKinds: ['Mount', 'PostureProfile', 'ResponseRule'],
    namespaces: [{ name: 'pay', prefixes: ['kv/pay', 'app'] }],
  },
]);
const AUTHORITY = new ObjectAuthority(CONFIG!, sha256Hex);

/** Undefined if the object is refused with an error of the broker. */
function accepted(plural: string, object: unknown): WantedDocument | undefined {
  const resource = RESOURCES.find((each) => each.plural === plural)!;
  try {
    return AUTHORITY.check(readClusterObject(resource, object));
  } catch (error) {
    expect(error).toBeInstanceOf(BrokerError);
    return undefined;
  }
}

const segment = fc.constantFrom('kv', 'pay', 'app', 'bank', '*', '**', 'pa*', '${namespace}', '..');
const tail = fc.array(segment, { maxLength: 3 });
const pattern = fc
  .tuple(fc.constantFrom('kv/pay/', 'kv/pay/', 'app/', ''), tail, segment)
  .map(([head, middle, last]) => `${head}${[...middle, last].join('/')}`);
const names = (...all: readonly string[]): fc.Arbitrary<readonly string[]> =>
  fc.uniqueArray(fc.constantFrom(...all), { minLength: 1, maxLength: 2 });
const spec = fc.record({
  subjects: fc.array(
    fc.record({
      clusters: fc.oneof({ weight: 3, arbitrary: fc.constant(['c1']) }, names('c1', 'c2')),
      namespaces: fc.oneof(
        { weight: 3, arbitrary: fc.constant(['pay']) },
        names('pay', 'bank', '*', 'pa*'),
      ),
      serviceAccounts: fc.constant(['*']),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  rules: fc.array(
    fc.record({
      effect: fc.constantFrom('allow', 'deny'),
      paths: fc.uniqueArray(pattern, { minLength: 1, maxLength: 2 }),
      capabilities: fc.constant(['read']),
    }),
    { minLength: 1, maxLength: 2 },
  ),
});

const WORKLOADS = [
  ['c1', 'pay'],
  ['c1', 'bank'],
  ['c1', 'pay2'],
  ['c2', 'pay'],
] as const;
const PATHS = [
  'kv/pay/x',
  'kv/bank/x',
  'kv/pay',
  'kv/payx',
  'app/x',
  'bank/x',
  'pay/kv/pay',
  'apps/x',
];

describe('objects that an attacker writes', () => {
  it('never grant outside the namespace and its prefixes (CR01)', () => {
    let count = 0;
    fc.assert(
      fc.property(spec, (made) => {
        const metadata = { name: 'x', namespace: 'pay' };
        const wanted = accepted('accesspolicies', { metadata, spec: made });
        if (wanted === undefined) return;
        count += 1;
        const policy = parsePolicy(wanted.body);
        const policies = compilePolicies([{ name: wanted.name, version: 1, policy }]);
        for (const [cluster, namespace] of WORKLOADS) {
          const workload = { cluster, namespace, serviceAccount: 'a', serviceAccountUid: 'u' };
          const own = cluster === 'c1' && namespace === 'pay';
          for (const path of PATHS) {
            const request = {
              workload,
              path,
              capability: 'read',
              sourceAddress: '10.0.0.1',
              now: 0,
            };
            const { effect } = decide(policies, { ...request, capability: 'read' });
            const isOurs = own && (isUnder(path, 'kv/pay') || isUnder(path, 'app'));
            if (!isOurs) expect([cluster, namespace, path, effect]).toContain('deny');
          }
        }
      }),
      { numRuns: 3_000 },
    );
    expect(count).toBeGreaterThan(10);
  });

  it.each(RESOURCES.map(({ plural }) => plural))(
    'are refused or read, whatever their form is: %s (CR02)',
    (plural) => {
      const any = fc.anything({ withBigInt: false, maxDepth: 4 });
      const known = fc.record({
        metadata: fc.record({ name: fc.string(), namespace: fc.string() }, { requiredKeys: [] }),
        spec: fc.jsonValue(),
        status: fc.oneof(fc.jsonValue(), fc.record({ conditions: fc.array(fc.jsonValue()) })),
      });
      fc.assert(
        fc.property(fc.oneof(any, known), (object) => {
          accepted(plural, object);
          const resource = { group: 'quaymaster.dev', version: 'v1', resource: plural };
          const request = { uid: 'u', operation: 'CREATE', resource, object };
          const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
          for (const isCallerKnown of [true, false]) {
            const { outcome } = reviewObject(AUTHORITY, review, isCallerKnown) ?? {};
            expect(outcome).toMatch(/^(?:valid|refused)$/);
            reviewObject(AUTHORITY, object, isCallerKnown);
          }
        }),
      );
    },
  );

  it('tell a caller without a certificate nothing about the namespaces of others (CR12)', () => {
    const resource = { group: 'quaymaster.dev', version: 'v1', resource: 'secretdefinitions' };
    const review = (namespace: string, path: string, more: object = {}): object => {
      const spec = { path, class: 'static', ...more };
      const object = { metadata: { name: 'x', namespace, uid: 'u', generation: 1 }, spec };
      const request = { uid: 'u', operation: 'CREATE', resource, object };
      return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request };
    };
    const own = review('pay', 'kv/pay/x');
    const others = [review('pay', 'kv/crown/x'), review('absent', 'kv/pay/x')];
    const outcomes = (isCallerKnown: boolean): unknown[] =>
      [own, ...others].map((each) => reviewObject(AUTHORITY, each, isCallerKnown));
    expect(outcomes(true)).toMatchObject([
      { outcome: 'valid' },
      { outcome: 'refused' },
      { outcome: 'refused' },
    ]);
    const [valid, ...same] = outcomes(false);
    expect(valid).toMatchObject({ outcome: 'valid' });
    expect(same).toEqual([valid, valid]);
    const faulty = reviewObject(AUTHORITY, review('absent', 'kv/x', { colour: 1 }), false);
    expect(JSON.stringify(faulty)).toContain('spec.colour: is not a known field');
  });

  it('have conditions of any form (CR02)', () => {
    const resource = RESOURCES.find(({ plural }) => plural === 'mounts')!;
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (conditions) => {
        const object = readClusterObject(resource, {
          metadata: { name: 'x' },
          status: { conditions },
        });
        const verdict = { isAccepted: false, reason: 'Invalid', message: 'm' } as const;
        expect(statusPatch(object, verdict, 0)).toMatchObject({ status: { document: null } });
      }),
    );
  });
});
