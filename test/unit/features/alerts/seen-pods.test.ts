import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { exposureOf } from '../../../../src/features/alerts/exposure.ts';
import {
  findSeenPod,
  imageTrait,
  pruneSeenPods,
} from '../../../../src/features/alerts/seen-pods.ts';
import { allRows } from '../../../../src/ports/queries.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

const DAY_MS = 86_400_000;
const DIGEST = `sha256:${'a'.repeat(64)}`;

let broker: TestBroker;
beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
});
afterEach(() => broker.close());

async function logIn(uid: string, container: string): Promise<void> {
  const name = `pod-${uid}`;
  const manifest = {
    metadata: { namespace: 'pay', name, uid },
    spec: { nodeName: 'node-1', containers: [{ name: 'a', image: `registry.test/a@${DIGEST}` }] },
    status: { containerStatuses: [{ name: 'a', containerID: `containerd://${container}` }] },
  };
  const read = (): unknown => manifest;
  const facts = { state: 'running', labels: new Map(), manifest: { read } } as const;
  broker.watches.get('c1')?.pods.set(uid, facts);
  await broker.logIn({ pod: { name, uid } });
}

async function traits(): Promise<readonly string[]> {
  const rows = await broker.store.list(allRows('seen_pods'), { limit: 100 });
  return rows.map(({ uid, trait }) => `${uid} ${trait}`).sort();
}

it('a login stores the node, the images and the containers of its pod', async () => {
  await logIn('1', '0123456789ab'.repeat(5));
  expect(await traits()).toEqual([
    '1 container:0123456789ab',
    `1 ${imageTrait(DIGEST)}`,
    '1 node:node-1',
  ]);
});

it('a container whose digits two pods share names neither of them', async () => {
  const named = { uid: undefined, container: '0123456789ab' };
  await logIn('1', '0123456789ab0000');
  expect(await findSeenPod(broker.store, 'c1', named)).toMatchObject({ uid: '1' });
  await logIn('2', '0123456789ab1111');
  expect(await findSeenPod(broker.store, 'c1', named)).toBeUndefined();
});

it('rows of a pod are removed 30 days after its last session, and kept while it has one', async () => {
  await logIn('1', '0123456789ab');
  broker.clock.advance(31 * DAY_MS);
  await logIn('2', 'cdef01234567');
  await broker.store.commit({ writes: [{ table: 'sessions', remove: { pod_uid: '1' } }] });
  await pruneSeenPods(broker.parts);
  expect(new Set((await traits()).map((row) => row.slice(0, 1)))).toEqual(new Set(['2']));
  broker.clock.advance(31 * DAY_MS);
  await pruneSeenPods(broker.parts);
  expect(await traits()).toHaveLength(3);
});

it('all reads of a workload count if more pods of an image are gone than are looked up', async () => {
  const row = { cluster: 'c1', namespace: 'pay', name: 'x', seen_at: 0, trait: imageTrait(DIGEST) };
  for (let first = 0; first < 1_100; first += 100) {
    await broker.store.commit({
      writes: Array.from({ length: 100 }, (_, i) => ({
        table: 'seen_pods' as const,
        put: { ...row, uid: String(first + i), workload: 'k8s://c1/pay/api' },
      })),
    });
  }
  const extent = { cluster: 'c1', traits: [imageTrait(DIGEST)] };
  const { scopes } = await exposureOf(broker.parts, { scopes: [], extent }, 0);
  expect(scopes.filter(({ kind }) => kind === 'pod')).toHaveLength(1_000);
  expect(scopes.filter(({ kind }) => kind === 'workload')).toEqual([
    { kind: 'workload', subject: 'k8s://c1/pay/api' },
  ]);
});
