import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  ClusterDocuments,
  type Removal,
} from '../../../../src/features/custom-resources/cluster-documents.ts';
import {
  readClusterObject,
  RESOURCES,
  type ClusterObject,
} from '../../../../src/features/custom-resources/cluster-object.ts';
import { clusterDocumentsConfigSchema } from '../../../../src/features/custom-resources/config.ts';
import { ObjectAuthority } from '../../../../src/features/custom-resources/object-authority.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import type { Tables } from '../../../../src/ports/tables.ts';
import { mount, TestBroker } from '../../../kit/broker/test-broker.ts';
import { credentialRow } from '../../../kit/fakes/store-rows.ts';
import { records } from '../../../kit/store/hooked-store.ts';

const MOUNTS = RESOURCES.find(({ kind }) => kind === 'mount')!;
const NONE: ReadonlySet<string> = new Set();
const OBJECT = mountObject('used');

let broker: TestBroker;
let source: ClusterDocuments;
beforeEach(async () => {
  broker = await TestBroker.open();
  await broker.seed();
  const config = { cluster: 'c1', connection: 'home', clusterKinds: ['Mount'] };
  const [parsed] = clusterDocumentsConfigSchema.parse([config]);
  source = new ClusterDocuments(broker.parts, new ObjectAuthority(parsed!, sha256Hex), 'kube.test');
});
afterEach(() => broker.close());

function mountObject(name: string): ClusterObject {
  const metadata = { name, uid: `uid-${name}`, generation: 1 };
  return readClusterObject(MOUNTS, { metadata, spec: mount(`other/${name}`) });
}

/** A mount is not deleted while one of its credentials is at the backend. */
async function applyUsed(object: ClusterObject): Promise<void> {
  await source.apply(object);
  const { uid } = broker.parts.catalog.find('mount', object.name)!;
  await writeState(object, 'issued', uid);
}

async function writeState(
  { name }: ClusterObject,
  state: Tables['credentials']['state'],
  mount_uid = broker.parts.catalog.find('mount', name)!.uid,
): Promise<void> {
  const put = credentialRow(`cre_${name}`, { mount_uid, state });
  await broker.store.real.commit({ writes: [{ table: 'credentials', put }] });
}

/** One round, with the number of attempts that it recorded. */
async function round(): Promise<Removal & { readonly attempts: number }> {
  let removal: Removal | undefined;
  const entries = await broker.entriesOf(async () => {
    removal = await source.removeOthers(MOUNTS, NONE);
  });
  const attempts = entries.filter(({ action }) => action === 'document.delete').length;
  return { ...removal!, attempts };
}

/** Rounds every two seconds. @returns the seconds at which the broker tried the deletion. */
async function attemptsIn(seconds: number): Promise<readonly number[]> {
  const tried: number[] = [];
  for (let second = 0; second < seconds; second += 2) {
    if ((await round()).attempts > 0) tried.push(second);
    broker.clock.advance(2_000);
  }
  return tried;
}

it('retries a failed deletion after pauses that double up to five minutes', async () => {
  await applyUsed(OBJECT);
  expect(await attemptsIn(1_200)).toEqual([0, 2, 6, 14, 30, 62, 126, 254, 510, 810, 1110]);
});

it('reports a cause once, and another cause again', async () => {
  await applyUsed(OBJECT);
  const document = { kind: 'mount', name: 'used' };
  expect((await round()).failures).toMatchObject([{ document, count: 1 }]);
  broker.clock.advance(2_000);
  expect(await round()).toMatchObject({ attempts: 1, failures: [] });
  broker.clock.advance(4_000);
  await writeState(OBJECT, 'revoking');
  expect((await round()).failures).toMatchObject([{ error: { message: /are revoking/ } }]);
});

it('reports one cause of several documents once, with their count', async () => {
  const objects = ['one', 'two'].map(mountObject);
  for (const each of objects) await applyUsed(each);
  expect((await round()).failures).toMatchObject([{ count: 2 }]);
});

it('tries at once when the object returned and was deleted again', async () => {
  await applyUsed(OBJECT);
  await attemptsIn(30);
  await source.apply(OBJECT);
  expect((await round()).attempts).toBe(1);
  broker.clock.advance(2_000);
  expect((await round()).attempts).toBe(1);
});

it('does not delay the deletion of another object', async () => {
  await applyUsed(OBJECT);
  await attemptsIn(30);
  await source.apply(mountObject('free'));
  await round();
  expect(broker.parts.catalog.find('mount', 'free')).toBeUndefined();
  expect(broker.parts.catalog.find('mount', 'used')).toBeDefined();
});

it('retries a mark that could not be written, and does not delete the document instead', async () => {
  const objects = ['one', 'two', 'three'].map(mountObject);
  for (const each of objects) await source.apply(each);
  broker.store.refuseOnce(records('document.write'));
  expect(await round()).toMatchObject({ held: 2, failures: [{ count: 1 }] });
  expect(await round()).toMatchObject({ held: 0, failures: [] });
  broker.clock.advance(2_000);
  expect(await round()).toMatchObject({ held: 1, failures: [] });
});
