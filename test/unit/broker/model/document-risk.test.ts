import { describe, expect, it } from '@jest/globals';
import { isWider, mayStopMany } from '../../../../src/broker/model/document-risk.ts';
import type { DocumentKind } from '../../../../src/broker/model/kinds.ts';
import { parseSpec } from '../../../../src/broker/model/schema.ts';
import { cluster, mount, policy } from '../../../kit/broker/test-broker.ts';

type Effect = 'wider' | 'stops' | 'wider, stops' | 'neither';
/** The kind, the body before and after the change, and the effect of the change. */
type Change = readonly [string, DocumentKind, object | undefined, object | undefined, Effect];

const rule = (effect: string, paths: readonly string[], more: object = {}): object => ({
  effect,
  paths,
  capabilities: ['read'],
  ...more,
});
const rules = (list: readonly object[], subject: object = {}): object => ({
  ...policy('p', ['x']),
  spec: {
    subjects: [{ clusters: ['c1'], namespaces: ['pay'], serviceAccounts: ['api'], ...subject }],
    rules: list,
  },
});
const EVERYONE = { clusters: ['c1'], namespaces: ['*'], serviceAccounts: ['*'] };

const profile = (more: object = {}): object => ({
  mode: 'enforce',
  pod: { serviceAccountToken: 'deny' },
  ...more,
});
const DIGEST = `sha256:${'a'.repeat(64)}`;
const quarantine = { action: 'quarantine', match: { rules: ['x'] } };
const rotation = {
  strategy: 'generated',
  options: { keys: { key: { length: 32 } } },
  schedule: { every: '30d' },
};

const CHANGES: readonly Change[] = [
  ['adds an allow', 'policy', undefined, rules([rule('allow', ['a/b'])]), 'wider'],
  [
    'gives more paths',
    'policy',
    rules([rule('allow', ['a/b'])]),
    rules([rule('allow', ['a/**'])]),
    'wider',
  ],
  [
    'gives more workloads',
    'policy',
    rules([rule('allow', ['a'])]),
    rules([rule('allow', ['a'])], EVERYONE),
    'wider',
  ],
  [
    'drops a condition',
    'policy',
    rules([rule('allow', ['a'], { conditions: { sourceCidrs: ['10.0.0.0/8'] } })]),
    rules([rule('allow', ['a'])]),
    'wider',
  ],
  [
    'gives fewer paths',
    'policy',
    rules([rule('allow', ['a/**'])]),
    rules([rule('allow', ['a/b'])]),
    'neither',
  ],
  [
    'names a rule',
    'policy',
    rules([rule('allow', ['a'])]),
    rules([rule('allow', ['a'], { name: 'n' })]),
    'neither',
  ],
  ['removes an allow', 'policy', rules([rule('allow', ['a'])]), undefined, 'neither'],
  ['removes a deny', 'policy', rules([rule('deny', ['a'])]), undefined, 'wider'],
  [
    'denies one path to all',
    'policy',
    undefined,
    rules([rule('deny', ['a/b'])], EVERYONE),
    'neither',
  ],
  [
    'denies all paths to one workload',
    'policy',
    undefined,
    rules([rule('deny', ['**'])]),
    'neither',
  ],
  [
    'denies all paths to all',
    'policy',
    undefined,
    rules([rule('deny', ['**'])], EVERYONE),
    'stops',
  ],
  [
    'denies many paths to a namespace',
    'policy',
    undefined,
    rules([rule('deny', ['a/*'])], { serviceAccounts: ['*'] }),
    'stops',
  ],
  [
    'denies a path of each namespace',
    'policy',
    undefined,
    rules([rule('deny', ['a/${namespace}'])], EVERYONE),
    'stops',
  ],
  [
    'allows and denies',
    'policy',
    undefined,
    rules([rule('allow', ['a']), rule('deny', ['**'])], EVERYONE),
    'wider, stops',
  ],
  ['registers', 'cluster', undefined, cluster(), 'wider'],
  ['has another issuer', 'cluster', cluster(), cluster({ issuer: 'https://other.test' }), 'wider'],
  [
    'accepts one more audience',
    'cluster',
    cluster(),
    cluster({ audiences: ['quaymaster', 'other'] }),
    'wider',
  ],
  [
    'accepts tokens without a pod',
    'cluster',
    cluster(),
    cluster({ allowWithoutPod: true }),
    'wider',
  ],
  [
    'accepts shorter tokens only',
    'cluster',
    cluster(),
    cluster({ maxTokenLifetime: '1h' }),
    'neither',
  ],
  ['accepts longer tokens', 'cluster', cluster({ maxTokenLifetime: '1h' }), cluster(), 'wider'],
  ['is removed', 'cluster', cluster(), undefined, 'neither'],
  ['is added', 'mount', undefined, mount('kv'), 'wider'],
  ['leads elsewhere', 'mount', mount('kv'), mount('kv', { root: 'other' }), 'wider'],
  ['leases longer', 'mount', mount('kv'), mount('kv', {}, { leaseTtl: '2h' }), 'wider'],
  ['caches shorter', 'mount', mount('kv'), mount('kv', {}, { cacheTtl: '1m' }), 'neither'],
  ['is described', 'definition', undefined, { description: 'x' }, 'neither'],
  ['names a place', 'definition', undefined, { ref: 'x' }, 'wider'],
  ['becomes dynamic', 'definition', {}, { class: 'dynamic' }, 'wider'],
  [
    'gets another description',
    'definition',
    { ref: 'x' },
    { ref: 'x', description: 'y' },
    'neither',
  ],
  ['gets a decoy', 'definition', {}, { decoy: { action: 'revoke' } }, 'neither'],
  ['gets a weaker decoy', 'definition', { decoy: { action: 'revoke' } }, { decoy: {} }, 'wider'],
  ['gets a narrower decoy', 'definition', { decoy: { scope: 'workload' } }, { decoy: {} }, 'wider'],
  ['loses its decoy', 'definition', { decoy: {} }, {}, 'wider'],
  ['gets a rotation', 'definition', {}, { rotation }, 'neither'],
  ['loses its rotation', 'definition', { rotation }, {}, 'wider'],
  ['is removed with a decoy', 'definition', { decoy: {} }, undefined, 'wider'],
  ['is removed', 'definition', { ref: 'x' }, undefined, 'neither'],
  ['begins to refuse', 'posture-profile', profile({ mode: 'audit' }), profile(), 'stops'],
  ['is added and refuses', 'posture-profile', undefined, profile(), 'stops'],
  ['is added and warns', 'posture-profile', undefined, profile({ mode: 'warn' }), 'neither'],
  ['stops refusing', 'posture-profile', profile(), profile({ mode: 'audit' }), 'wider'],
  [
    'checks something else',
    'posture-profile',
    profile(),
    profile({ pod: { ephemeralContainers: 'deny' } }),
    'wider',
  ],
  [
    'denies one more digest',
    'posture-profile',
    profile(),
    profile({ image: { deniedDigests: [DIGEST] } }),
    'neither',
  ],
  [
    'denies one digest less',
    'posture-profile',
    profile({ image: { deniedDigests: [DIGEST] } }),
    profile(),
    'wider',
  ],
  ['is described', 'posture-profile', profile(), profile({ description: 'x' }), 'neither'],
  ['is removed', 'posture-profile', profile(), undefined, 'wider'],
  [
    'is removed, and never refused',
    'posture-profile',
    profile({ mode: 'audit' }),
    undefined,
    'neither',
  ],
  ['only records', 'response-rule', quarantine, { ...quarantine, action: 'audit' }, 'wider'],
  [
    'stands before stronger ones',
    'response-rule',
    undefined,
    { action: 'audit', order: 0 },
    'wider',
  ],
  ['is described', 'response-rule', quarantine, { ...quarantine, description: 'x' }, 'neither'],
];

describe('a change of a document', () => {
  it.each(CHANGES)('has its effect if it %s (%s)', (_title, kind, before, after, effect) => {
    const rated = (body: object | undefined) =>
      body && { kind, name: 'p', spec: parseSpec(kind, body) };
    const [from, to] = [rated(before), rated(after)];
    const effects = [
      ...(isWider(from, to) ? ['wider'] : []),
      ...(mayStopMany(from, to) ? ['stops'] : []),
    ];
    expect(effects.length === 0 ? 'neither' : effects.join(', ')).toBe(effect);
  });
});
