import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { NamespaceWatch } from '../../../../src/auth/index.ts';
import { readNetworkPolicy } from '../../../../src/auth/namespace-watch/network-policy.ts';
import { selects } from '../../../../src/domain/posture/label-selector.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { hostileValue, parses } from '../../../kit/checks/hostile-values.ts';
import { ScriptedResources } from '../../../kit/fakes/scripted-resources.ts';
import { eventually } from '../../../kit/cluster/watched-cluster.ts';
import { warningsLog } from '../../../kit/fakes/warnings-log.ts';

const NAMESPACES = 'api/v1/namespaces';
const POLICIES = 'apis/networking.k8s.io/v1/networkpolicies';
const BOTH = { labels: true, networkPolicies: true };

let api: ScriptedResources;
let clock: HandClock;
let watch: NamespaceWatch;
let interruptions = 0;
let changes: (string | undefined)[];
beforeEach(() => {
  interruptions = 0;
  changes = [];
  api = new ScriptedResources();
  clock = new HandClock(0);
  const log = warningsLog(() => void (interruptions += 1));
  watch = new NamespaceWatch(
    { api, clock, random: () => 0.5, log, goodFor: { factsMs: 120_000, labelsMs: 240_000 } },
    (namespace) => void changes.push(namespace),
  );
});
afterEach(() => watch.close());

const namespace = (name: string, labels?: object): object => ({ metadata: { name, labels } });
const policy = (name: string, spec: object, own = 'shop'): object => ({
  metadata: { namespace: own, name },
  spec,
});
const EGRESS = { podSelector: {}, policyTypes: ['Egress'] };
const watched = (path: string): Promise<void> =>
  eventually(`${path} is watched`, () => api.watches(path) === 1);
const count = (): number | undefined => watch.egressSelectorsOf('shop')?.length;

describe('the watch of namespaces and NetworkPolicies', () => {
  it('reads nothing until a profile asks for it, and stops when none does', async () => {
    api.set(NAMESPACES, [namespace('shop', { env: 'prod' })]);
    expect(watch.labelsOf('shop')).toBeUndefined();
    watch.want({ labels: true, networkPolicies: false });
    await watched(NAMESPACES);
    expect(watch.labelsOf('shop')).toEqual(new Map([['env', 'prod']]));
    expect(watch.egressSelectorsOf('shop')).toBeUndefined();
    expect([...watch.statuses()]).toEqual([
      ['namespaces', 'live'],
      ['networkpolicies', 'off'],
    ]);
    expect(api.requests).toEqual([NAMESPACES, `watch ${NAMESPACES}`]);
    watch.want({ labels: true, networkPolicies: false });
    watch.want({ labels: false, networkPolicies: false });
    expect(watch.labelsOf('shop')).toBeUndefined();
    await eventually('the watch is closed', () => api.watches(NAMESPACES) === 0);
    expect(api.requests).toHaveLength(2);
  });

  it('follows labels, and gives the same map until one changes', async () => {
    api.set(NAMESPACES, [namespace('shop', { env: 'dev' }), namespace('bare')]);
    watch.want(BOTH);
    await watched(NAMESPACES);
    const before = watch.labelsOf('shop');
    expect(watch.labelsOf('bare')).toEqual(new Map());
    expect(watch.labelsOf('new')).toBeUndefined();
    api.send(NAMESPACES, 'MODIFIED', namespace('shop', { env: 'dev' }));
    api.send(NAMESPACES, 'ADDED', namespace('new', { env: 'prod' }));
    await eventually('the namespace is known', () => watch.labelsOf('new') !== undefined);
    expect(watch.labelsOf('shop')).toBe(before);
    api.send(NAMESPACES, 'MODIFIED', namespace('shop', { env: 'prod' }));
    api.send(NAMESPACES, 'DELETED', namespace('new'));
    await eventually('it is gone', () => watch.labelsOf('new') === undefined);
    expect(watch.labelsOf('shop')?.get('env')).toBe('prod');
  });

  it('lists again after 410 Gone, and forgets what is gone', async () => {
    api.set(NAMESPACES, [namespace('shop'), namespace('old')]);
    api.set(POLICIES, [policy('a', EGRESS), policy('b', EGRESS)]);
    watch.want(BOTH);
    await watched(NAMESPACES);
    await watched(POLICIES);
    expect(count()).toBe(2);
    api.set(NAMESPACES, [namespace('shop')]);
    api.set(POLICIES, [policy('b', EGRESS)]);
    api.expire(NAMESPACES);
    api.expire(POLICIES);
    await eventually('the watches pause', () => interruptions === 2);
    clock.advance(1_000);
    await eventually('it is gone', () => watch.labelsOf('old') === undefined && count() === 1);
  });

  it('reports each changed namespace, and after a list that all may have changed', async () => {
    api.set(NAMESPACES, [namespace('shop')]);
    watch.want(BOTH);
    await watched(NAMESPACES);
    await watched(POLICIES);
    expect(changes).toEqual([undefined, undefined]);
    api.send(NAMESPACES, 'MODIFIED', namespace('shop', { env: 'dev' }));
    await eventually('the label is reported', () => changes.length === 3);
    api.send(POLICIES, 'ADDED', policy('a', EGRESS, 'other'));
    await eventually('the policy is reported', () => changes.length === 4);
    api.send(POLICIES, 'DELETED', policy('a', EGRESS, 'other'));
    await eventually('its deletion is reported', () => changes.length === 5);
    expect(changes.slice(2)).toEqual(['shop', 'other', 'other']);
  });

  it('knows labels and policies for a while after the API server is silent, and nothing after that (EV07)', async () => {
    api.set(NAMESPACES, [namespace('shop')]);
    watch.want(BOTH);
    await watched(NAMESPACES);
    await watched(POLICIES);
    clock.advance(60_000);
    expect([...watch.statuses().values()]).toEqual(['stale', 'stale']);
    expect(watch.labelsOf('shop')).toBeDefined();
    expect(watch.egressSelectorsOf('shop')).toEqual([]);
    clock.advance(60_001);
    expect(watch.labelsOf('shop')).toBeDefined();
    expect(watch.egressSelectorsOf('shop')).toBeUndefined();
    clock.advance(120_000);
    expect(watch.labelsOf('shop')).toBeUndefined();
  });

  it('keeps the policies with egress, and 1,000 of a namespace', async () => {
    const many = Array.from({ length: 1_100 }, (_, at) => policy(`p${at}`, EGRESS));
    api.set(POLICIES, [...many, policy('in', { podSelector: {} }), policy('x', EGRESS, 'other')]);
    watch.want(BOTH);
    await watched(POLICIES);
    expect(count()).toBe(1_000);
    expect(watch.egressSelectorsOf('other')).toHaveLength(1);
    const before = watch.egressSelectorsOf('none');
    expect(before).toEqual([]);
    expect(watch.egressSelectorsOf('none')).toBe(before);
    api.send(POLICIES, 'DELETED', policy('p0', EGRESS));
    await eventually('it is gone', () => count() === 999);
    api.send(POLICIES, 'MODIFIED', policy('x', { podSelector: {} }, 'other'));
    await eventually('it is changed', () => watch.egressSelectorsOf('other')?.length === 0);
  });
});

describe('a NetworkPolicy', () => {
  const egressOf = (spec: object): boolean =>
    readNetworkPolicy(policy('p', spec)).egressOf !== undefined;

  it.each<[string, object, boolean]>([
    ['Egress', { policyTypes: ['Egress'] }, true],
    ['both types', { policyTypes: ['Ingress', 'Egress'] }, true],
    ['Ingress', { policyTypes: ['Ingress'] }, false],
    [
      'Ingress, with egress rules that do not count',
      { policyTypes: ['Ingress'], egress: [{}] },
      false,
    ],
    ['no type and no egress rules', {}, false],
    ['no type and an empty list of egress rules', { egress: [] }, false],
    ['no type and egress rules', { egress: [{}] }, true],
    ['an empty list of types and egress rules', { policyTypes: [], egress: [{}] }, true],
  ])('limits egress by %s: %# (EV09)', (_what, spec, expected) => {
    expect(egressOf({ podSelector: {}, ...spec })).toBe(expected);
  });

  const WEB = new Map([
    ['app', 'web'],
    ['tier', 'front'],
  ]);
  const expression = (key: string, operator: string, values?: unknown): object => ({
    matchExpressions: [{ key, operator, values }],
  });
  it.each<[string, object | undefined, boolean]>([
    ['an empty selector', {}, true],
    ['no selector', undefined, true],
    ['its labels', { matchLabels: { app: 'web', tier: 'front' } }, true],
    ['a label with another value', { matchLabels: { app: 'web', tier: 'back' } }, false],
    ['In', expression('app', 'In', ['api', 'web']), true],
    ['In without its value', expression('app', 'In', ['api']), false],
    ['In of a missing label', expression('zone', 'In', ['a']), false],
    ['NotIn', expression('app', 'NotIn', ['api']), true],
    ['NotIn with its value', expression('app', 'NotIn', ['web']), false],
    ['NotIn of a missing label', expression('zone', 'NotIn', ['a']), true],
    ['Exists', expression('tier', 'Exists'), true],
    ['Exists of a missing label', expression('zone', 'Exists'), false],
    ['DoesNotExist', expression('zone', 'DoesNotExist'), true],
    ['DoesNotExist of a label that exists', expression('tier', 'DoesNotExist'), false],
    [
      'labels and an expression that fails',
      { matchLabels: { app: 'web' }, ...expression('tier', 'DoesNotExist') },
      false,
    ],
    ['an unknown operator', expression('app', 'Like', ['web']), false],
    ['values of another type', expression('app', 'In', [1]), false],
    ['expressions of another type', { matchExpressions: {} }, false],
    ['a label of another type', { matchLabels: { app: 1 } }, false],
  ])('selects a pod by %s: %#', (_what, podSelector, expected) => {
    const { egressOf: selector } = readNetworkPolicy(
      policy('p', { podSelector, policyTypes: ['Egress'] }),
    );
    expect(selector !== undefined && selects(selector, WEB)).toBe(expected);
  });

  it('is read or refused with an error of the broker, whatever its shape is', () => {
    const valid = policy('p', { ...EGRESS, podSelector: { matchLabels: { app: 'web' } } });
    fc.assert(
      fc.property(hostileValue(valid), (value) => parses(() => readNetworkPolicy(value))),
      { numRuns: 300 },
    );
  });
});
