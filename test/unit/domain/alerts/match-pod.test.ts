import { describe, expect, it } from '@jest/globals';
import type { Alert } from '../../../../src/domain/alerts/alert.ts';
import { matchPod, type KnownPod, type PodIndex } from '../../../../src/domain/alerts/match-pod.ts';
import {
  names,
  ruleFor,
  inOrder,
  type ResponseRule,
} from '../../../../src/domain/alerts/response-rule.ts';

const WEB: KnownPod = { uid: 'uid-2', namespace: 'shop', name: 'web-0', createdAt: 2_000 };
const CONTAINER = 'abcdefabcdef';

/** The pods without an end have their names now. */
function indexOf(pods: readonly KnownPod[], isLive = true): PodIndex {
  return {
    byUid: (uid) => pods.find((pod) => pod.uid === uid),
    byContainer: (id) => (id.startsWith(CONTAINER) ? pods[0] : undefined),
    byName: (namespace, name) =>
      pods.find(
        (pod) => pod.endedAt === undefined && pod.namespace === namespace && pod.name === name,
      ),
    ended: (_namespace, name) =>
      pods.filter((pod) => pod.endedAt !== undefined && pod.name === name),
    isLive,
  };
}

function alert(facts: Partial<Alert> & { readonly uid?: string; readonly name?: string }): Alert {
  const { uid, name, ...rest } = facts;
  return {
    rule: 'r',
    tags: [],
    priority: 'notice',
    time: 3_000,
    instance: '',
    node: undefined,
    container: { id: undefined, imageDigest: undefined },
    isTest: false,
    pod: { uid, name, namespace: name === undefined ? undefined : 'shop' },
    ...rest,
  };
}
const container = { id: `${CONTAINER}0000`, imageDigest: undefined };

describe('the pod of an alert', () => {
  it.each([
    ['its UID', alert({ uid: 'uid-2' })],
    ['a container', alert({ container })],
    ['its name, for an event after its creation', alert({ name: 'web-0' })],
    [
      'its name, where the container is not known',
      alert({ name: 'web-0', container: { ...container, id: '0'.repeat(12) } }),
    ],
  ])('is found by %s', (_by, given) => {
    expect(matchPod(given, indexOf([WEB]))).toEqual({ pod: WEB });
  });

  it.each([
    [
      'a UID that is gone, although another pod has the name now',
      alert({ uid: 'uid-1', name: 'web-0' }),
      'pod_unknown',
    ],
    [
      'a name that another pod used before',
      alert({ name: 'web-0', time: 1_999 }),
      'older_than_pod',
    ],
    ['a name without a time', alert({ name: 'web-0', time: undefined }), 'time_missing'],
    ['a UID and a name of two pods', alert({ uid: 'uid-2', name: 'web-1' }), 'facts_differ'],
    ['a container and a name of two pods', alert({ container, name: 'web-1' }), 'facts_differ'],
    ['a name that no pod has', alert({ name: 'gone' }), 'pod_unknown'],
    [
      'an unknown container alone',
      alert({ container: { ...container, id: '0'.repeat(12) } }),
      'pod_unknown',
    ],
    ['nothing', alert({}), 'no_pod_named'],
  ] as const)('is not found for %s', (_what, given, unmatched) => {
    expect(matchPod(given, indexOf([WEB]))).toEqual({ unmatched });
  });

  describe('if pods of its name ended', () => {
    const first: KnownPod = { ...WEB, uid: 'uid-0', createdAt: 0, endedAt: 1_500 };
    const second: KnownPod = { ...WEB, createdAt: 1_000, endedAt: 9_000 };
    const third: KnownPod = { ...WEB, uid: 'uid-3', createdAt: 9_000 };
    const at = (time: number | undefined, ...pods: readonly KnownPod[]): unknown =>
      matchPod(alert({ name: 'web-0', time }), indexOf(pods));

    it('is the one that lived at the time of the event', () => {
      expect(at(500, first, second)).toEqual({ pod: first });
      expect(at(5_000, first, second, third)).toEqual({ pod: second });
      expect(at(20_000, first, second, third)).toEqual({ pod: third });
    });

    it('is the ended one if both lived in the second in which the name changed hands', () => {
      expect(at(9_000, second, third)).toEqual({ pod: second });
      expect(at(9_001, second, third)).toEqual({ pod: third });
    });

    it('is none after the end of the last, and none without a time', () => {
      expect(at(9_001, first, second)).toEqual({ unmatched: 'pod_unknown' });
      expect(at(undefined, first, second)).toEqual({ unmatched: 'pod_unknown' });
    });
  });

  it('is not found by a name while the watch is not live', () => {
    const index = indexOf([WEB], false);
    expect(matchPod(alert({ name: 'web-0' }), index)).toEqual({ unmatched: 'watch_not_live' });
    expect(matchPod(alert({ uid: 'uid-2' }), index)).toEqual({ pod: WEB });
  });
});

describe('the rule for an alert', () => {
  const rule = (name: string, order: number, match: object = {}): ResponseRule => ({
    name,
    version: 1,
    spec: {
      order,
      match: { sources: [], rules: [], tags: [], minPriority: 'debug', namespaces: [], ...match },
      action: 'quarantine',
      scope: 'pod',
      rotate: 'none',
    },
  });
  const given = {
    rule: 'Terminal shell in container',
    tags: ['T1059'],
    priority: 'notice',
  } as const;
  const found = (...rules: ResponseRule[]): string | undefined =>
    ruleFor(inOrder(rules), 'falco', given, 'shop')?.name;

  it('is the first in the order, then by name (RS14)', () => {
    expect(found(rule('c', 1), rule('b', 2), rule('a', 2))).toBe('c');
    expect(found(rule('b', 2), rule('a', 2))).toBe('a');
  });

  it.each([
    [{ sources: ['falco'] }, true],
    [{ sources: ['tetragon'] }, false],
    [{ rules: ['Terminal shell*'] }, true],
    [{ rules: ['Terminal shell'] }, false],
    [{ tags: ['T1552', 'T1059'] }, true],
    [{ tags: ['T1552'] }, false],
    [{ minPriority: 'notice' }, true],
    [{ minPriority: 'warning' }, false],
    [{ namespaces: ['shop'] }, true],
    [{ namespaces: ['shop-*'] }, false],
  ])('matches %j: %s', (match, isMatch) => {
    expect(found(rule('a', 1, match)) === 'a').toBe(isMatch);
  });

  it('a pattern of only a star names everything', () => {
    expect(names(['*'], 'anything')).toBe(true);
  });
});
