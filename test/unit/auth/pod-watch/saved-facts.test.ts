import { zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { SavedPods } from '../../../../src/ports/pod-watch.ts';
import { stall } from '../../../kit/fakes/server-faults.ts';
import { eventually, untilWatching, watchedCluster } from '../../../kit/cluster/watched-cluster.ts';
import type { WatchedCluster, WatchedOptions } from '../../../kit/cluster/watched-cluster.ts';

const SECOND = 1000;

let cluster: WatchedCluster;
afterEach(() => cluster.close());

async function watching(options?: WatchedOptions): Promise<void> {
  cluster = await watchedCluster(options);
  await untilWatching(cluster);
}
const create = (name: string, labels = {}) =>
  cluster.fake.pods.create({ namespace: 'prod', name, serviceAccount: 'api', labels });
/** Waits until all earlier lines of the watch have been read. */
async function settled(): Promise<void> {
  const marker = create('marker');
  await eventually(
    'the watch caught up',
    () => cluster.watch.find(marker.metadata.uid)?.state === 'running',
  );
}

describe('a pod watch with the pods that an earlier process saved', () => {
  const MANIFEST = {
    metadata: { name: 'api-0' },
    spec: { containers: [{ env: [{ name: 'A', valueFingerprint: 'lost' }] }] },
  };
  const saved = (now: number): SavedPods => ({
    savedAt: now,
    find: (uid) =>
      uid === 'saved'
        ? {
            uid,
            labels: { app: 'api' },
            manifest: zstdCompressSync(Buffer.from(JSON.stringify(MANIFEST))),
          }
        : undefined,
  });
  const known = (uid = 'saved') => [
    cluster.watch.lastKnown(uid)?.state,
    cluster.watch.lastLabels(uid)?.get('app'),
  ];
  const starting = async (): Promise<void> => {
    cluster = await watchedCluster({ saved, prepare: (fake) => fake.script('list', stall) });
  };

  it('knows them until they are too old, and none while the clock is behind them', async () => {
    await starting();
    expect([cluster.watch.status(), ...known()]).toEqual(['starting', 'running', 'api']);
    expect(known('another')).toEqual([undefined, undefined]);
    expect(cluster.watch.find('saved')).toBeUndefined();
    cluster.clock.advance(120 * SECOND);
    expect(known()).toEqual(['running', 'api']);
    cluster.clock.advance(1);
    expect(known()).toEqual([undefined, 'api']);
    cluster.clock.advance(120 * SECOND);
    expect(known()).toEqual([undefined, undefined]);
    cluster.clock.setWall(cluster.clock.now() - 241 * SECOND);
    expect(known()).toEqual([undefined, undefined]);
  });

  it('gives the same manifest each time, without what the fingerprints stood for', async () => {
    await starting();
    const manifest = cluster.watch.lastKnown('saved')?.manifest;
    expect(cluster.watch.lastKnown('saved')?.manifest).toBe(manifest);
    expect(manifest?.read()).toEqual({
      metadata: { name: 'api-0' },
      spec: { containers: [{ env: [{ name: 'A', valueFingerprint: '' }] }] },
    });
  });

  it('forgets them for good once it was live', async () => {
    await watching({ saved });
    expect(known()).toEqual([undefined, undefined]);
    cluster.fake.watches.silence();
    cluster.fake.script('watch', stall);
    cluster.fake.script('list', stall);
    cluster.clock.advance(60 * SECOND);
    expect([cluster.watch.status(), ...known()]).toEqual(['stale', undefined, undefined]);
  });

  it('saves running pods only, and none while it is silent', async () => {
    await watching();
    const [running, over] = [create('api-0', { app: 'api' }), create('api-1')];
    cluster.fake.pods.setPhase(over, 'Succeeded');
    await settled();
    const save = (pod: { metadata: { uid: string } }) => cluster.watch.save(pod.metadata.uid);
    expect(save(running)).toMatchObject({ labels: { app: 'api' } });
    expect(save(over)).toBeUndefined();
    cluster.fake.watches.silence();
    cluster.fake.script('watch', stall);
    cluster.fake.script('list', stall);
    cluster.clock.advance(60 * SECOND);
    expect(save(running)).toBeUndefined();
  });
});
