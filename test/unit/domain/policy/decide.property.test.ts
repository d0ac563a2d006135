import { describe, it, expect } from '@jest/globals';
import fc from 'fast-check';
import {
  compilePolicies,
  decide,
  explain,
  mayListUnder,
  parsePolicy,
  viewFor,
} from '../../../../src/domain/policy/index.ts';
import type { AccessRequest, StoredPolicy } from '../../../../src/domain/policy/index.ts';
import { globMatches, segmentGlob } from '../../../../src/domain/words/segment-glob.ts';
import { CAPABILITIES } from '../../../../src/domain/policy/index.ts';
import { REQUEST, storedPolicy } from '../../../kit/policy/documents.ts';
import {
  effectByDefinition,
  globMatchesByDefinition,
} from '../../../kit/policy/reference-decision.ts';
import { withoutPolicy, withPolicy } from '../../../kit/policy/one-change.ts';

/** A small alphabet, so that patterns and paths match often. */
const word = fc.constantFrom('a', 'b', 'ab', 'ba', 'aab');
const glob = fc.constantFrom('*', 'a*', '*b', '*a*', 'a*b', 'a', 'b', 'ab');
const segment = fc.oneof(
  word,
  glob,
  fc.constantFrom('${namespace}', '${serviceAccount}', 'a-${namespace}'),
);
const pattern = fc
  .array(fc.oneof({ arbitrary: segment, weight: 4 }, { arbitrary: fc.constant('**'), weight: 1 }), {
    minLength: 1,
    maxLength: 5,
  })
  .map((segments) => segments.filter((s, at) => s !== '**' || segments[at - 1] !== '**').join('/'))
  .filter((text) => text.split('/').filter((s) => s === '**').length <= 3);
const names = (of: fc.Arbitrary<string>): fc.Arbitrary<string[]> =>
  fc.uniqueArray(of, { minLength: 1, maxLength: 3 });
const subject = fc.record({
  clusters: names(fc.constantFrom('a', 'b')),
  namespaces: names(glob),
  serviceAccounts: names(glob),
});
const ruleOf = (effect: fc.Arbitrary<string>): fc.Arbitrary<object> =>
  fc
    .record({
      effect,
      paths: fc.uniqueArray(pattern, { minLength: 1, maxLength: 3 }),
      capabilities: fc.uniqueArray(fc.constantFrom(...CAPABILITIES), { minLength: 1 }),
      isForSealed: fc.boolean(),
      maxLeaseTtl: fc.option(
        fc.integer({ min: 1, max: 9 }).map((n) => `${n}m`),
        { nil: undefined },
      ),
    })
    .map(({ maxLeaseTtl, isForSealed, ...rule }) => ({
      ...rule,
      ...(maxLeaseTtl !== undefined && rule.effect === 'allow' && { maxLeaseTtl }),
      ...(isForSealed && { conditions: { sealedDelivery: rule.effect === 'allow' } }),
    }));
const policyOf = (effect: fc.Arbitrary<string>): fc.Arbitrary<Omit<StoredPolicy, 'name'>> =>
  fc
    .record({
      version: fc.integer({ min: 1, max: 9 }),
      subjects: fc.array(subject, { minLength: 1, maxLength: 2 }),
      rules: fc.array(ruleOf(effect), { minLength: 1, maxLength: 4 }),
    })
    .map(storedPolicy);
const policies = fc
  .array(policyOf(fc.constantFrom('allow', 'allow', 'deny')), { maxLength: 6 })
  .map((list) => list.map((policy, index): StoredPolicy => ({ ...policy, name: `p${index}` })));
const request = fc
  .record({
    cluster: fc.constantFrom('a', 'b'),
    namespace: word,
    serviceAccount: word,
    capability: fc.constantFrom(...CAPABILITIES),
    sealed: fc.constantFrom(true, false, undefined),
    path: fc
      .array(fc.oneof(word, fc.constant('a-b')), { minLength: 1, maxLength: 6 })
      .map((s) => s.join('/')),
  })
  .map(({ capability, path, sealed, ...workload }): AccessRequest => ({
    ...REQUEST,
    capability,
    path,
    sealed,
    workload: { ...REQUEST.workload, ...workload },
  }));

const effectOf = (list: readonly StoredPolicy[], asked: AccessRequest): string =>
  decide(compilePolicies(list), asked).effect;

describe('decide, for any policies and request,', () => {
  it('agrees with matching by definition, limit included', () => {
    fc.assert(
      fc.property(policies, request, (list, asked) => {
        const decision = decide(compilePolicies(list), asked);
        const expected = effectByDefinition(list, asked);
        const seconds = decision.effect === 'allow' ? decision.maxLeaseTtlSeconds : undefined;
        const minutes = expected.maxLeaseTtl;
        expect(decision.effect).toBe(expected.effect);
        expect(seconds).toBe(minutes === undefined ? undefined : Number.parseInt(minutes) * 60);
      }),
      { numRuns: 3000 },
    );
  });

  it('never loses access by an added allow, nor gains any by an added deny', () => {
    const added = fc.constantFrom('allow', 'deny').chain((effect) =>
      policyOf(fc.constant(effect)).map((policy) => ({
        effect,
        policy: { ...policy, name: 'x' },
      })),
    );
    fc.assert(
      fc.property(policies, added, request, (list, { effect, policy }, asked) => {
        const before = effectOf(list, asked);
        const after = effectOf([...list, policy], asked);
        if (before !== after) expect(after).toBe(effect);
      }),
      { numRuns: 1000 },
    );
  });

  it('names a rule of the decisive effect that covers the request by itself', () => {
    fc.assert(
      fc.property(policies, request, (list, asked) => {
        const decision = decide(compilePolicies(list), asked);
        if (decision.policy === undefined) return;
        const named = list.find(({ name }) => name === decision.policy)!;
        const rule = named.policy.spec.rules[Number(/\d+/.exec(decision.rule)![0])]!;
        expect(rule.effect).toBe(decision.effect);
        expect(decision.version).toBe(named.version);
        const { spec } = named.policy;
        const asAllow = { effect: 'allow', paths: rule.paths, capabilities: rule.capabilities };
        const alone = storedPolicy({ subjects: spec.subjects, rules: [asAllow] });
        expect(effectOf([alone], asked)).toBe('allow');
      }),
    );
  });

  it('gives the same decision after changes as after a new compilation', () => {
    fc.assert(
      fc.property(policies, policies, request, (list, changes, asked) => {
        const kept = list.filter((_, index) => index % 2 === 0);
        const current = new Map(kept.map((policy) => [policy.name, policy]));
        let compiled = compilePolicies(kept);
        for (const policy of changes) {
          compiled = withPolicy(compiled, policy);
          current.set(policy.name, policy);
        }
        for (const name of ['p0', 'p3', 'p9']) {
          compiled = withoutPolicy(compiled, name);
          current.delete(name);
        }
        expect(decide(compiled, asked)).toEqual(
          decide(compilePolicies([...current.values()]), asked),
        );
      }),
    );
  });

  it('explains with exactly the rules that decided', () => {
    fc.assert(
      fc.property(policies, request, (list, asked) => {
        const { decision, matched } = explain(compilePolicies(list), asked);
        const named = matched.find(({ effect }) => effect === decision.effect);
        const isDenied = matched.some(({ effect }) => effect === 'deny');
        expect(decision.effect).toBe(named?.effect === 'allow' && !isDenied ? 'allow' : 'deny');
        expect([decision.policy, decision.rule]).toEqual([named?.policy, named?.rule]);
      }),
    );
  });

  it('lists under every prefix of a path that it may list', () => {
    fc.assert(
      fc.property(policies, request, (list, asked) => {
        const compiled = compilePolicies(list);
        if (decide(compiled, { ...asked, capability: 'list' }).effect === 'deny') return;
        const view = viewFor(compiled, asked.workload);
        const segments = asked.path.split('/');
        expect(mayListUnder(view)).toBe(true);
        for (let length = 1; length <= segments.length; length += 1) {
          expect(mayListUnder(view, segments.slice(0, length).join('/'))).toBe(true);
        }
      }),
    );
  });
});

describe('a glob of one segment', () => {
  it('matches as by definition', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 });
    const any = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 6 });
    fc.assert(
      fc.property(any, text, (patternText, value) => {
        const compiled = segmentGlob(patternText);
        const isMatch =
          compiled === undefined ? patternText === value : globMatches(compiled, value);
        expect(isMatch).toBe(globMatchesByDefinition(patternText, value));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parsePolicy, for any value,', () => {
  it('returns a policy or throws ERR_POLICY_INVALID with problems', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withSparseArray: true }), (value) => {
        for (const document of [
          value,
          { apiVersion: value, kind: value, metadata: value, spec: value },
        ]) {
          expect(() => parsePolicy(document)).toThrow(
            expect.objectContaining({ code: 'ERR_POLICY_INVALID' }),
          );
        }
      }),
    );
  });
});
