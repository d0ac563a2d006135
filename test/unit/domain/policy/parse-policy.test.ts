import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, expect } from '@jest/globals';
import { load } from 'js-yaml';
import { BrokerError } from '../../../../src/domain/errors.ts';
import type { Problem } from '../../../../src/domain/errors.ts';
import { parsePolicy } from '../../../../src/domain/policy/index.ts';
import { DOCUMENTS as vectors } from '../../../kit/policy/vectors.ts';
import { ALL_WORKLOADS, EVERYTHING, allow } from '../../../kit/policy/documents.ts';

function problemsOf(document: unknown): readonly Problem[] {
  try {
    parsePolicy(document);
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error;
    expect(error.code).toBe('ERR_POLICY_INVALID');
    return error.problems ?? [];
  }
  return [];
}

/** The document with `value` put at the pointer, as own property whatever its name. */
function changed(pointer: string, value: unknown): unknown {
  if (pointer === '') return value;
  const document: unknown = structuredClone(vectors.valid);
  const keys = pointer.split('/').slice(1);
  const last = keys.pop()!.replaceAll('~1', '/').replaceAll('~0', '~');
  let place = document as Record<string, unknown>;
  for (const key of keys) place = place[key] as Record<string, unknown>;
  Object.defineProperty(place, last, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
  return document;
}

const policyWith = (spec: object): unknown => changed('/spec', { ...vectors.valid.spec, ...spec });
const tooMany = (length: number, make: (index: number) => unknown): unknown[] =>
  Array.from({ length }, (_, index) => make(index));

describe('parsePolicy', () => {
  it('returns a valid document unchanged', () => {
    expect(parsePolicy(vectors.valid)).toEqual(vectors.valid);
  });

  it('accepts its own result', () => {
    const once = parsePolicy(vectors.valid);
    expect(parsePolicy(JSON.parse(JSON.stringify(once)))).toEqual(once);
  });

  it('accepts the example of the documentation', () => {
    const page = readFileSync(join(import.meta.dirname, '../../../../docs/policies.md'), 'utf8');
    const [, example = ''] = /```yaml\n(apiVersion[^`]*)```/.exec(page) ?? [];
    expect(parsePolicy(load(example)).metadata.name).toBe('payments');
  });

  it('accepts an object without a prototype', () => {
    const bare: unknown = Object.assign(Object.create(null) as object, vectors.valid);
    expect(parsePolicy(bare)).toEqual(vectors.valid);
  });

  it.each(vectors.refused)('refuses $value at $set', ({ set, value, at }) => {
    expect(problemsOf(changed(set, value)).map(({ pointer }) => pointer)).toContain(at);
  });

  it('pollutes no prototype (P15)', () => {
    problemsOf(JSON.parse('{"__proto__":{"admin":true},"constructor":{"prototype":{"admin":1}}}'));
    expect(({} as { admin?: unknown }).admin).toBeUndefined();
  });

  it('refuses instances of classes and inherited fields', () => {
    expect(problemsOf(new Map(Object.entries(vectors.valid)))).toEqual([
      { pointer: '', message: 'must be an object' },
    ]);
    expect(problemsOf(Object.create(vectors.valid))).not.toEqual([]);
  });

  it('lists every problem at once, each at its place', () => {
    const document = policyWith({
      subjects: [{ clusters: [], namespaces: ['A'], serviceAccounts: ['ok'], extra: 1 }],
      rules: [{ effect: 'deny', paths: ['/'], capabilities: ['fly'], maxLeaseTtl: '1h' }],
    });
    expect(problemsOf(document).map(({ pointer }) => pointer)).toEqual([
      '/spec/subjects/0/extra',
      '/spec/subjects/0/clusters',
      '/spec/subjects/0/namespaces/0',
      '/spec/rules/0/maxLeaseTtl',
      '/spec/rules/0/capabilities/0',
      '/spec/rules/0/paths/0',
    ]);
  });

  it('reports that a condition is not supported yet', () => {
    const document = changed('/spec/rules/0/conditions/postureProfile', 'strict');
    expect(problemsOf(document)).toEqual([
      { pointer: '/spec/rules/0/conditions/postureProfile', message: 'is not supported yet' },
    ]);
  });

  it('names each missing field', () => {
    expect(problemsOf({}).map(({ message }) => message)).toEqual(
      ['apiVersion', 'kind', 'metadata', 'spec'].map((name) => `needs the field ${name}`),
    );
  });

  it('counts the problems past the hundredth', () => {
    const paths = tooMany(50, () => '/');
    const rule = { effect: 'no', paths, capabilities: EVERYTHING };
    const problems = problemsOf(policyWith({ rules: [rule, rule, rule] }));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toEqual({ pointer: '', message: 'and 53 more problems' });
  });

  it.each([
    ['rules', { rules: tooMany(101, () => allow(['a'])) }, '/spec/rules'],
    [
      'paths of a rule',
      { rules: [allow(tooMany(51, (n) => `a${n}`) as string[])] },
      '/spec/rules/0/paths',
    ],
    ['characters of a pattern', { rules: [allow(['a'.repeat(513)])] }, '/spec/rules/0/paths/0'],
    ['P11: bytes of a pattern', { rules: [allow(['a*'.repeat(32_768)])] }, '/spec/rules/0/paths/0'],
    ['subjects', { subjects: tooMany(51, () => ALL_WORKLOADS) }, '/spec/subjects'],
    [
      'pod labels',
      {
        subjects: [
          {
            ...ALL_WORKLOADS,
            podLabels: Object.fromEntries(tooMany(21, (n) => [`l${n}`, 'x']) as [string, string][]),
          },
        ],
      },
      '/spec/subjects/0/podLabels',
    ],
    [
      'names of a subject',
      { subjects: [{ ...ALL_WORKLOADS, namespaces: tooMany(51, (n) => `n${n}`) }] },
      '/spec/subjects/0/namespaces',
    ],
    [
      'combinations of names',
      {
        subjects: [
          {
            ...ALL_WORKLOADS,
            namespaces: tooMany(20, (n) => `n${n}`),
            serviceAccounts: tooMany(50, (n) => `s${n}`),
          },
          ALL_WORKLOADS,
        ],
      },
      '/spec/subjects/1',
    ],
  ])('refuses too many %s (P11)', (_, spec, pointer) => {
    expect(problemsOf(policyWith(spec)).map((problem) => problem.pointer)).toEqual([pointer]);
  });

  it('refuses a description that is too long', () => {
    const document = changed('/metadata/description', 'x'.repeat(1025));
    expect(problemsOf(document)).toEqual([
      { pointer: '/metadata/description', message: 'must have at most 1024 characters' },
    ]);
  });

  it("never repeats a document's text in a message", () => {
    for (const { set, value } of vectors.refused) {
      for (const { message } of problemsOf(changed(set, value))) {
        expect(message).not.toMatch(/sudo|Olympus|team|10\.0\.0\.1|\p{Cc}/u);
      }
    }
  });
});
