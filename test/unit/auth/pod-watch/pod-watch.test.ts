import { afterEach, describe, expect, it } from '@jest/globals';
import { noPodWatch } from '../../../../src/auth/index.ts';
import type { PodFacts } from '../../../../src/ports/pod-watch.ts';
import { answer, drop, stall } from '../../../kit/fakes/server-faults.ts';
import { HandClock } from '../../../kit/time/hand-clock.ts';
import { refusalOf } from '../../../kit/identity/offline-cluster.ts';
import {
  createPods,
  eventually,
  untilWatching,
  watchedCluster,
} from '../../../kit/cluster/watched-cluster.ts';
import type { WatchedCluster, WatchedOptions } from '../../../kit/cluster/watched-cluster.ts';
import { movedUntil } from '../../../kit/time/moved.ts';

const SECOND = 1000;
const context = { requestId: 'req_1', signal: new AbortController().signal };

let cluster: WatchedCluster;
afterEach(() => cluster.close());

async function watching(options?: WatchedOptions): Promise<WatchedCluster> {
  cluster = await watchedCluster(options);
  await untilWatching(cluster);
  return cluster;
}
const create = (name: string, labels = {}) =>
  cluster.fake.pods.create({ namespace: 'prod', name, serviceAccount: 'api', labels });
const stateOf = (pod: { metadata: { uid: string } }): string | undefined =>
  cluster.watch.find(pod.metadata.uid)?.state;
const ended = (count: number): Promise<void> =>
  eventually(`${count} pods ended`, () => cluster.ends.length >= count);
/** Waits until all earlier lines of the watch have been read. */
async function settled(): Promise<void> {
  const marker = create(`marker-${cluster.fake.pods.version}`);
  await eventually('the watch caught up', () => stateOf(marker) === 'running');
}

describe('the pod watch', () => {
  it('lists every pod, page by page, with labels', async () => {
    await watching({ prepare: (fake) => void createPods(fake, 600) });
    expect(cluster.statuses).toEqual(['starting', 'live']);
    expect(cluster.fake.countOf('list')).toBe(3);
    const pods = cluster.fake.pods.list(600, undefined)?.items ?? [];
    const facts = pods.map(({ metadata }) => cluster.watch.find(metadata.uid));
    expect(facts.every((pod) => pod?.state === 'running' && pod.labels.get('app') === 'api')).toBe(
      true,
    );
    // Pods of one template share one map.
    expect(new Set(facts.map((pod) => pod?.labels)).size).toBe(1);
    expect(cluster.watch.find('unknown')).toBeUndefined();
  });

  it('requests bookmarks, from the version of the list, for a bounded time', async () => {
    await watching();
    const sent = cluster.fake.requests.find(({ operation }) => operation === 'watch')?.url;
    expect(Object.fromEntries(sent?.searchParams ?? [])).toEqual({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: cluster.fake.pods.version,
      timeoutSeconds: '35',
    });
  });

  it('reports added, changed and deleted pods', async () => {
    await watching();
    const pod = create('api-0', { app: 'api' });
    await eventually('the pod is seen', () => stateOf(pod) === 'running');
    cluster.fake.pods.setLabels(pod, { app: 'api', tier: 'one' });
    cluster.fake.pods.setPhase(pod, 'Unknown');
    await eventually('it is unknown', () => stateOf(pod) === 'unknown');
    expect(cluster.watch.find(pod.metadata.uid)?.labels.get('tier')).toBe('one');
    cluster.fake.pods.setPhase(pod, 'Running');
    cluster.fake.pods.remove(pod);
    await ended(1);
    expect(cluster.ends).toEqual([
      {
        cluster: 'east',
        uid: pod.metadata.uid,
        namespace: 'prod',
        name: 'api-0',
        reason: 'deleted',
      },
    ]);
    expect(stateOf(pod)).toBeUndefined();
  });

  it.each([
    ['Succeeded', 'succeeded'],
    ['Failed', 'failed'],
  ])('reports the end of a pod once for %s', async (phase, reason) => {
    await watching();
    const pod = create('job-0');
    cluster.fake.pods.setPhase(pod, phase);
    await ended(1);
    expect(stateOf(pod)).toBe('ended');
    cluster.fake.pods.setPhase(pod, 'Running');
    await settled();
    expect(stateOf(pod)).toBe('ended');
    cluster.fake.pods.remove(pod);
    await settled();
    expect(cluster.reasons()).toEqual([`job-0 ${reason}`]);
  });

  it('reports pods that had ended before it started', async () => {
    await watching({
      prepare: ({ pods }) => {
        const job = pods.create({ namespace: 'prod', name: 'job-0', serviceAccount: 'api' });
        pods.setPhase(job, 'Succeeded');
      },
    });
    expect(cluster.reasons()).toEqual(['job-0 succeeded']);
  });

  it('treats another pod of the same name as the end of the first', async () => {
    await watching();
    const first = create('api-0');
    const second = create('api-0');
    await ended(1);
    expect(cluster.reasons()).toEqual(['api-0 replaced']);
    expect([stateOf(first), stateOf(second)]).toEqual([undefined, 'running']);
  });

  it('ends a terminating pod when its grace period is over, even if a finalizer keeps it', async () => {
    await watching();
    const pod = create('api-0');
    cluster.fake.pods.terminate(pod, cluster.clock.now() + 30 * SECOND);
    await eventually('it terminates', () => stateOf(pod) === 'terminating');
    cluster.clock.advance(29 * SECOND);
    expect(cluster.ends).toEqual([]);
    cluster.clock.advance(1 * SECOND);
    expect(cluster.reasons()).toEqual(['api-0 deletion_passed']);
    expect(stateOf(pod)).toBe('ended');
    await untilWatching(cluster);
    cluster.fake.pods.remove(pod);
    await settled();
    expect(cluster.ends).toHaveLength(1);
  });

  it('follows a grace period that is shortened, and a wall clock that is set back', async () => {
    await watching();
    const pod = create('api-0');
    cluster.fake.pods.terminate(pod, cluster.clock.now() + 3600 * SECOND);
    await eventually('it terminates', () => stateOf(pod) === 'terminating');
    cluster.fake.pods.terminate(pod, cluster.clock.now() + 5 * SECOND);
    await settled();
    cluster.clock.setWall(cluster.clock.now() - 10 * SECOND);
    cluster.clock.advance(5 * SECOND);
    expect(stateOf(pod)).toBe('terminating');
    cluster.clock.advance(10 * SECOND);
    expect(cluster.reasons()).toEqual(['api-0 deletion_passed']);
  });

  it('continues when a listener throws', async () => {
    await watching({
      onEnd: () => {
        throw new Error('listener');
      },
    });
    cluster.fake.pods.remove(create('api-0'));
    await ended(1);
    await settled();
    expect(cluster.watch.status()).toBe('live');
  });
});

describe('an interrupted pod watch', () => {
  it('resumes at its last version and misses nothing', async () => {
    await watching();
    const lists = cluster.fake.countOf('list');
    const pod = create('api-0');
    await settled();
    cluster.fake.watches.reset();
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.fake.pods.remove(pod);
    cluster.clock.advance(1 * SECOND);
    await ended(1);
    expect(cluster.fake.countOf('list')).toBe(lists);
  });

  it('reads a line that was cut off again', async () => {
    await watching();
    const lists = cluster.fake.countOf('list');
    cluster.fake.watches.write('{"type":"DELETED","object":{"metadata":{"name"');
    cluster.fake.watches.reset();
    await eventually('it noticed', () => cluster.log.length === 1);
    const pod = create('api-0');
    cluster.clock.advance(1 * SECOND);
    await eventually('it resumed', () => stateOf(pod) === 'running');
    expect(cluster.fake.countOf('list')).toBe(lists);
  });

  it.each([
    'garbage',
    '[]',
    'null',
    '{"type":"NEW","object":{}}',
    '{"type":"ADDED","object":{"metadata":{"name":"x"}}}',
    '{"type":"DELETED"}',
    '{"type":"BOOKMARK","object":{"metadata":{}}}',
    '{"type":"ERROR","object":{"code":410}}',
    '{"type":"ERROR","object":{"code":500}}',
    '{"type":"ERROR","object":{}}',
  ])('lists again after a line that it cannot follow: %s', async (line) => {
    await watching();
    const lists = cluster.fake.countOf('list');
    const pod = create('api-0');
    await settled();
    cluster.fake.watches.write(`${line}\n`);
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.fake.pods.vanish([pod]);
    cluster.clock.advance(1 * SECOND);
    await ended(1);
    expect(cluster.fake.countOf('list')).toBe(lists + 1);
    expect(cluster.reasons()).toEqual(['api-0 deleted']);
    await untilWatching(cluster);
  });

  it.each(['an event', 'a status'])(
    'lists again when its version is expired, reported by %s',
    async (how) => {
      await watching();
      const [gone, renewed, kept] = [create('gone'), create('renewed'), create('kept')];
      await settled();
      cluster.fake.pods.vanish([gone, renewed]);
      const successor = create('renewed');
      if (how === 'a status') cluster.fake.script('watch', answer(410, {}));
      cluster.fake.watches.reset();
      await eventually('it noticed', () => cluster.log.length === 1);
      cluster.clock.advance(1 * SECOND);
      await eventually('it was refused', () => cluster.log.length === 2);
      cluster.fake.script('watch', undefined);
      cluster.clock.advance(1 * SECOND);
      await ended(2);
      expect([...cluster.reasons()].sort()).toEqual(['gone deleted', 'renewed replaced']);
      expect([stateOf(kept), stateOf(successor)]).toEqual(['running', 'running']);
    },
  );

  it('restarts its list when the continue token expired', async () => {
    const pages = { refused: 0 };
    cluster = await watchedCluster({
      prepare: (fake) => {
        createPods(fake, 300);
        fake.script('list', (request, response) => {
          if (request.url?.includes('continue') === true) pages.refused += 1;
          const page = fake.pods.list(250, undefined);
          const isSecond = request.url?.includes('continue') === true;
          answer(isSecond ? 410 : 200, isSecond ? {} : page)(request, response);
        });
      },
    });
    await eventually('a page was refused', () => cluster.log.length === 1);
    expect([cluster.watch.status(), pages.refused]).toEqual(['starting', 1]);
    cluster.fake.script('list', undefined);
    cluster.clock.advance(1 * SECOND);
    await untilWatching(cluster);
    expect(cluster.ends).toEqual([]);
  });

  it('lists again after three failures in a row', async () => {
    await watching();
    const lists = cluster.fake.countOf('list');
    cluster.fake.script('watch', drop);
    cluster.fake.watches.reset();
    for (const failures of [1, 2, 3]) {
      await eventually('it failed', () => cluster.log.length === failures);
      expect(cluster.fake.countOf('list')).toBe(lists);
      cluster.clock.advance(2 * SECOND);
    }
    await eventually('it lists', () => cluster.fake.countOf('list') === lists + 1);
  });

  it('does not loop without delay when watches end at once', async () => {
    cluster = await watchedCluster({ prepare: (fake) => fake.script('watch', answer(200, '')) });
    await eventually('it noticed', () => cluster.log.length === 1);
    expect(cluster.fake.countOf('watch')).toBe(1);
    cluster.clock.advance(500);
    await eventually('it retried', () => cluster.log.length === 2);
    expect(cluster.fake.countOf('watch')).toBe(2);
  });

  it.each([
    ['breaks off', drop],
    ['refuses the request', answer(403, {})],
    ['sends HTML', answer(200, '<html>')],
    ['sends no list', answer(200, { kind: 'PodList', items: {} })],
    ['sends no version', answer(200, { kind: 'PodList', items: [], metadata: {} })],
    ['sends no pods', answer(200, { items: [{}], metadata: { resourceVersion: '1' } })],
  ])('stays in its starting state while the server %s, and ends no pod', async (_, fault) => {
    cluster = await watchedCluster({ prepare: (fake) => fake.script('list', fault) });
    await eventually('it failed', () => cluster.log.length === 1);
    expect(cluster.watch.status()).toBe('starting');
    cluster.fake.script('list', undefined);
    cluster.clock.advance(1 * SECOND);
    await untilWatching(cluster);
    expect(cluster.ends).toEqual([]);
  });
});

describe('a silent pod watch', () => {
  it('is stale after 60 seconds, and live again only after a list', async () => {
    await watching();
    const pod = create('api-0');
    await settled();
    cluster.fake.watches.silence();
    cluster.fake.script('watch', stall);
    cluster.fake.script('list', stall);
    cluster.clock.advance(59_999);
    expect(cluster.watch.status()).toBe('live');
    cluster.clock.advance(1);
    expect(cluster.watch.status()).toBe('stale');
    expect(cluster.statuses).toEqual(['starting', 'live', 'stale']);
    cluster.fake.pods.remove(pod);
    cluster.fake.watches.speak();
    cluster.fake.script('watch', undefined);
    cluster.fake.script('list', undefined);
    await movedUntil('it is live again', { clock: cluster.clock, stepMs: SECOND }, () =>
      Promise.resolve(cluster.watch.status() === 'live'),
    );
    expect(cluster.reasons()).toEqual(['api-0 deleted']);
  });

  it('knows a pod for a while, and its labels for longer', async () => {
    await watching();
    const pod = create('api-0', { app: 'api' });
    await eventually('the pod is seen', () => stateOf(pod) === 'running');
    cluster.fake.watches.silence();
    cluster.fake.script('watch', stall);
    cluster.fake.script('list', stall);
    const { uid } = pod.metadata;
    const known = () => [
      cluster.watch.lastKnown(uid)?.state,
      cluster.watch.lastLabels(uid)?.get('app'),
    ];
    cluster.clock.advance(60 * SECOND);
    expect([cluster.watch.status(), ...known()]).toEqual(['stale', 'running', 'api']);
    cluster.clock.advance(60 * SECOND);
    expect(known()).toEqual(['running', 'api']);
    cluster.clock.advance(1 * SECOND);
    expect(known()).toEqual([undefined, 'api']);
    cluster.clock.advance(120 * SECOND);
    expect(known()).toEqual([undefined, undefined]);
  });

  it('is kept live by bookmarks, and resumes from the last one', async () => {
    await watching();
    // The head of the answer must arrive before its deadline, which follows the same clock.
    await settled();
    cluster.clock.advance(40 * SECOND);
    cluster.fake.pods.forget();
    cluster.fake.watches.bookmark();
    const { version } = cluster.fake.pods;
    await settled();
    cluster.clock.advance(4 * SECOND);
    expect(cluster.watch.status()).toBe('live');
    const lists = cluster.fake.countOf('list');
    cluster.fake.watches.reset();
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.clock.advance(1 * SECOND);
    await untilWatching(cluster);
    expect(cluster.fake.countOf('list')).toBe(lists);
    const resumed = cluster.fake.requests.at(-1)?.url.searchParams.get('resourceVersion');
    expect(Number(resumed)).toBeGreaterThanOrEqual(Number(version));
  });

  it('is stale when a suspended process resumes, and lists instead of resuming', async () => {
    await watching();
    await settled();
    cluster.clock.suspend(60_000);
    expect(cluster.watch.status()).toBe('stale');
    cluster.fake.watches.end();
    await eventually('it is live again', () => cluster.watch.status() === 'live');
    expect(cluster.fake.countOf('list')).toBe(2);
    expect(cluster.log).toEqual([]);
  });

  it('does not trust data that waited in its socket during a suspension', async () => {
    await watching();
    await settled();
    cluster.clock.suspend(60_000);
    const pod = create('api-0');
    await eventually('it noticed', () => cluster.log.length === 1);
    expect(stateOf(pod)).toBeUndefined();
    cluster.clock.advance(1 * SECOND);
    await eventually('it listed', () => stateOf(pod) === 'running');
    expect(cluster.fake.countOf('list')).toBe(2);
  });

  it('is closed shortly after the server should have closed it', async () => {
    await watching();
    cluster.fake.watches.silence();
    const opened = cluster.fake.countOf('watch');
    cluster.clock.advance(44 * SECOND);
    expect(cluster.log).toEqual([]);
    cluster.clock.advance(1 * SECOND);
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.fake.watches.speak();
    cluster.clock.advance(1 * SECOND);
    await eventually('it opened another', () => cluster.fake.countOf('watch') > opened);
    expect(cluster.statuses).toEqual(['starting', 'live']);
  });
});

describe('a list that lacks pods', () => {
  it.each([
    [100, 20, 'ends'],
    [100, 21, 'suspends'],
    [20, 10, 'ends'],
    [20, 11, 'suspends'],
    [20, 20, 'suspends'],
    [5, 5, 'ends'],
  ])('has %i pods, loses %i, and %s them', async (known, lost, outcome) => {
    await watching({ prepare: (fake) => void createPods(fake, known) });
    const pods = cluster.fake.pods.list(known, undefined)?.items ?? [];
    cluster.fake.pods.vanish(pods.slice(0, lost));
    cluster.fake.watches.write('{"type":"ERROR","object":{"code":410}}\n');
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.clock.advance(1 * SECOND);
    await eventually('it listed', () => cluster.fake.countOf('list') === 2);
    await untilWatching(cluster);
    await eventually('it reported', () => cluster.ends.length + cluster.massLosses.length > 0);
    expect(cluster.ends).toHaveLength(outcome === 'ends' ? lost : 0);
    expect(cluster.massLosses.map((each) => each.length)).toEqual(outcome === 'ends' ? [] : [lost]);
    expect(
      pods.slice(0, lost).every(({ metadata }) => cluster.watch.find(metadata.uid) === undefined),
    ).toBe(true);
  });

  it('does not count pods that had ended already', async () => {
    await watching({ prepare: (fake) => void createPods(fake, 40) });
    const pods = cluster.fake.pods.list(40, undefined)?.items ?? [];
    for (const pod of pods.slice(0, 20)) cluster.fake.pods.setPhase(pod, 'Succeeded');
    await ended(20);
    cluster.fake.pods.vanish(pods.slice(0, 20));
    cluster.fake.watches.write('{"type":"ERROR","object":{"code":410}}\n');
    await eventually('it noticed', () => cluster.log.length === 1);
    cluster.clock.advance(1 * SECOND);
    await eventually('it listed', () => cluster.fake.countOf('list') === 2);
    await settled();
    expect([cluster.ends.length, cluster.massLosses]).toEqual([20, []]);
  });
});

describe('a direct lookup of one pod', () => {
  const confirm = (uid: string, name = 'api-0'): Promise<PodFacts> =>
    cluster.watch.confirm({ namespace: 'prod', name, uid }, context);

  it('returns the current answer of the API server', async () => {
    cluster = await watchedCluster();
    const { pods } = cluster.fake;
    const pod = create('api-0', { app: 'api' });
    const { uid } = pod.metadata;
    const labels = new Map([['app', 'api']]);
    expect(await confirm(uid)).toMatchObject({ state: 'running', labels });
    pods.terminate(pod, cluster.clock.now() + SECOND);
    expect((await confirm(uid)).state).toBe('terminating');
    cluster.clock.advance(SECOND);
    expect((await confirm(uid)).state).toBe('ended');
    pods.remove(pod);
    expect((await confirm(uid)).state).toBe('ended');
    const next = create('api-0');
    expect((await confirm(uid)).state).toBe('ended');
    expect((await confirm(next.metadata.uid)).state).toBe('running');
    pods.setPhase(next, 'Failed');
    expect((await confirm(next.metadata.uid)).state).toBe('ended');
  });

  it.each([drop, answer(403, {}), answer(500, {}), answer(200, 'x'), answer(200, {})])(
    'fails for an invalid answer (%#)',
    async (fault) => {
      cluster = await watchedCluster({ prepare: (fake) => fake.script('pod', fault) });
      expect(await refusalOf(confirm('uid'))).toBe('ERR_IDENTITY_UNAVAILABLE pod_unconfirmed');
    },
  );

  it('fails after ten seconds', async () => {
    cluster = await watchedCluster({ prepare: (fake) => fake.script('pod', stall) });
    const attempt = refusalOf(confirm('uid'));
    await eventually('it was requested', () => cluster.fake.countOf('pod') === 1);
    cluster.clock.advance(10 * SECOND);
    expect(await attempt).toBe('ERR_IDENTITY_UNAVAILABLE pod_unconfirmed');
  });

  it('fails if there is no API server', async () => {
    cluster = await watchedCluster();
    const off = noPodWatch(new HandClock());
    expect([off.status(), off.find('uid')]).toEqual(['off', undefined]);
    const attempt = off.confirm({ namespace: 'prod', name: 'api-0', uid: 'uid' }, context);
    expect(await refusalOf(attempt)).toBe('ERR_IDENTITY_UNAVAILABLE no_api_server');
  });
});

describe('a closed pod watch', () => {
  it.each(['list', 'watch'] as const)('stops while its %s hangs', async (operation) => {
    cluster = await watchedCluster({ prepare: (fake) => fake.script(operation, stall) });
    await eventually('it hangs', () => cluster.fake.countOf(operation) === 1);
    await cluster.watch.close();
    const { length } = cluster.fake.requests;
    cluster.clock.advance(3600 * SECOND);
    expect(cluster.fake.requests).toHaveLength(length);
    expect(cluster.log).toEqual([]);
  });

  it('stops while it waits for a retry', async () => {
    cluster = await watchedCluster({ prepare: (fake) => fake.script('list', drop) });
    await eventually('it failed', () => cluster.log.length === 1);
    await cluster.watch.close();
    cluster.clock.advance(3600 * SECOND);
    expect(cluster.fake.countOf('list')).toBe(1);
  });
});
