import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ClusterDocuments } from '../../../../src/features/custom-resources/cluster-documents.ts';
import {
  readClusterObject,
  RESOURCES,
  type ClusterObject,
} from '../../../../src/features/custom-resources/cluster-object.ts';
import { clusterDocumentsConfigSchema } from '../../../../src/features/custom-resources/config.ts';
import { ObjectAuthority } from '../../../../src/features/custom-resources/object-authority.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { TestBroker } from '../../../kit/broker/test-broker.ts';

const POLICIES = RESOURCES.find(({ kind }) => kind === 'policy')!;
const PROFILES = RESOURCES.find(({ kind }) => kind === 'posture-profile')!;
const NAMESPACES = [
  { name: 'pay', prefixes: ['kv/pay'] },
  { name: 'bank', prefixes: ['kv/bank'] },
];
const NONE: ReadonlySet<string> = new Set();
const WINDOW_MS = 10 * 60_000;

let broker: TestBroker;
let admin: LiveOperator;
let source: ClusterDocuments;
beforeEach(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
  source = documents(NAMESPACES);
});
afterEach(() => broker.close());

function documents(
  namespaces: readonly object[],
  clusterKinds = ['PostureProfile'],
): ClusterDocuments {
  const config = { cluster: 'c1', connection: 'home', namespaces, clusterKinds };
  const [parsed] = clusterDocumentsConfigSchema.parse([config]);
  return new ClusterDocuments(broker.parts, new ObjectAuthority(parsed!, sha256Hex), 'kube.test');
}

function access(name: string, namespace = 'pay', effect = 'allow'): ClusterObject {
  const subject = { clusters: ['c1'], namespaces: [namespace], serviceAccounts: ['api'] };
  const rule = { effect, paths: [`kv/${namespace}/**`], capabilities: ['read'] };
  const metadata = { name, namespace, uid: `uid-${name}`, generation: 1 };
  return readClusterObject(POLICIES, { metadata, spec: { subjects: [subject], rules: [rule] } });
}

function profile(name: string): ClusterObject {
  const metadata = { name, uid: `uid-${name}`, generation: 1 };
  const spec = { mode: 'enforce', pod: { resourceLimits: 'required' } };
  return readClusterObject(PROFILES, { metadata, spec });
}

/** @returns the writers of their documents */
async function applied(objects: readonly ClusterObject[]): Promise<Set<string>> {
  for (const each of objects) {
    expect(await source.apply(each)).toMatchObject({ isAccepted: true });
  }
  return new Set(objects.map((each) => source.authority.ownerOf(each)));
}

const many = (count: number, namespace = 'pay'): readonly ClusterObject[] =>
  Array.from({ length: count }, (_, n) => access(`p${n}`, namespace));

const present = (prefix: string): number =>
  broker.parts.catalog.all('policy').filter(({ name }) => name.startsWith(prefix)).length;

describe('documents whose objects disappear', () => {
  it('are all kept and marked when too many disappear at once (CR07)', async () => {
    await applied(many(11));
    const entries = await broker.entriesOf(async () => {
      expect(await source.removeOthers(POLICIES, NONE)).toMatchObject({ held: 11 });
    });
    expect([present('c1.pay.'), source.held]).toEqual([11, 11]);
    expect(broker.parts.catalog.find('policy', 'c1.pay.p0')).toMatchObject({
      updatedBy: 'kubernetes/c1/pay/p0#deletion-held',
      version: 2,
    });
    expect(entries).toHaveLength(11);
    expect(entries[0]).toMatchObject({
      actor: { kind: 'system', id: 'kubernetes/c1' },
      action: 'document.write',
    });
    expect(await broker.entriesOf(() => source.removeOthers(POLICIES, NONE))).toEqual([]);
  });

  it('are deleted up to the limit of their namespace in ten minutes', async () => {
    const objects = many(12);
    const seen = await applied(objects);
    for (const each of objects.slice(0, 11)) {
      seen.delete(source.authority.ownerOf(each));
      await source.removeOthers(POLICIES, seen);
    }
    expect([present('c1.pay.'), source.held]).toEqual([2, 1]);
    broker.clock.advance(WINDOW_MS);
    expect(await source.removeOthers(POLICIES, NONE)).toMatchObject({ held: 0 });
    expect([present('c1.pay.'), source.held]).toEqual([1, 1]);
  });

  it('are deleted without delay up to a fifth of a namespace that has many', async () => {
    const objects = many(60);
    await applied(objects);
    const seen = new Set(objects.slice(12).map((each) => source.authority.ownerOf(each)));
    expect(await source.removeOthers(POLICIES, seen)).toMatchObject({ held: 0 });
    expect(present('c1.pay.')).toBe(48);
  });

  it('do not delay the deletions of another namespace (CR08)', async () => {
    await applied([...many(15), ...many(3, 'bank')]);
    expect(await source.removeOthers(POLICIES, NONE)).toMatchObject({ held: 15 });
    expect([present('c1.pay.'), present('c1.bank.')]).toEqual([15, 0]);
  });

  it('are kept when each namespace loses few, and together they lose too many', async () => {
    const names = ['a', 'b', 'c'];
    source = documents(names.map((name) => ({ name, prefixes: [`kv/${name}`] })));
    await applied(names.flatMap((name) => many(8, name)));
    expect(await source.removeOthers(POLICIES, NONE)).toMatchObject({ held: 24 });
    expect([present('c1.'), source.held]).toEqual([24, 24]);
  });

  it('are kept if more than two of a kind for the whole cluster disappear (CR07)', async () => {
    await applied(['one', 'two', 'three'].map(profile));
    expect(await source.removeOthers(PROFILES, NONE)).toMatchObject({ held: 3 });
    expect(broker.parts.catalog.all('posture-profile')).toHaveLength(3);
  });

  it('go without a limit if the configuration no longer allows them, also those that are held', async () => {
    await applied(many(11));
    await source.removeOthers(POLICIES, NONE);
    source = documents([{ name: 'bank', prefixes: ['kv/bank'] }]);
    expect(await source.removeOthers(POLICIES, NONE)).toMatchObject({ held: 0 });
    expect([present('c1.pay.'), source.held]).toEqual([0, 0]);
  });
});

describe('policies of a namespace whose resources are all gone (CR11)', () => {
  /** Effects of the rules by which the policies of a namespace decide. */
  const effectsOf = (namespace: string): readonly string[] =>
    [...broker.parts.catalog.policies.policies].flatMap(([name, { rules }]) =>
      name.startsWith(`c1.${namespace}.`) ? rules.map(({ effect }) => effect) : [],
    );
  const allows = (namespace: string): boolean => effectsOf(namespace).includes('allow');
  let bank: ReadonlySet<string>;
  beforeEach(async () => {
    await applied(many(15));
    bank = await applied(many(1, 'bank'));
    expect([allows('pay'), allows('bank')]).toEqual([true, true]);
  });

  it('are held, and allow nothing, while other namespaces keep theirs', async () => {
    expect(await source.removeOthers(POLICIES, bank)).toMatchObject({ held: 15 });
    expect([present('c1.pay.'), source.held]).toEqual([15, 15]);
    expect([allows('pay'), allows('bank')]).toEqual([false, true]);
    expect(broker.parts.catalog.find('policy', 'c1.pay.p0')).toMatchObject({
      updatedBy: 'kubernetes/c1/pay/p0#suspended#deletion-held',
    });
    expect(await broker.entriesOf(() => source.removeOthers(POLICIES, bank))).toEqual([]);
  });

  it('allow nothing either if some were held before the last one was gone', async () => {
    const some = new Set([...bank, source.authority.ownerOf(access('p14'))]);
    expect(await source.removeOthers(POLICIES, some)).toMatchObject({ held: 14 });
    expect(allows('pay')).toBe(true);
    await source.removeOthers(POLICIES, bank);
    expect(allows('pay')).toBe(false);
  });

  it('give the next owner of the name nothing but what its own resources say', async () => {
    await source.removeOthers(POLICIES, bank);
    const seen = new Set([...bank, ...(await applied([access('own')]))]);
    await source.removeOthers(POLICIES, seen);
    const rules = [...broker.parts.catalog.all('policy')].filter(
      ({ name, updatedBy }) => name.startsWith('c1.pay.') && !updatedBy.includes('#'),
    );
    expect(rules.map(({ name }) => name)).toEqual(['c1.pay.own']);
    expect(source.held).toBe(15);
  });

  it('still deny what they denied', async () => {
    await applied([access('deny', 'pay', 'deny')]);
    await source.removeOthers(POLICIES, bank);
    expect(effectsOf('pay')).toEqual(['deny']);
  });

  it('go if the configuration no longer has the namespace, although they were held', async () => {
    const some = new Set([...bank, source.authority.ownerOf(access('p14'))]);
    await source.removeOthers(POLICIES, some);
    source = documents(NAMESPACES.slice(1));
    await source.removeOthers(POLICIES, bank);
    expect([present('c1.pay.'), present('c1.bank.')]).toEqual([0, 1]);
  });

  it('are in force again when their resources return', async () => {
    await source.removeOthers(POLICIES, bank);
    await applied(many(15));
    expect([allows('pay'), source.held]).toEqual([true, 0]);
  });

  it('stay in force if no namespace has any left: the kind was deleted, or the list is wrong', async () => {
    await source.removeOthers(POLICIES, NONE);
    expect(allows('pay')).toBe(true);
  });
});

it('does not tell a team who wrote the document that its resource would replace (CR12)', async () => {
  await applied([access('p0')]);
  const body = broker.parts.catalog.find('policy', 'c1.pay.p0')?.body;
  await broker.remove(admin, 'policy', 'c1.pay.p0');
  await broker.put(admin, 'policy', 'c1.pay.p0', body);
  const verdict = await source.apply(access('p0'));
  expect(verdict).toMatchObject({ isAccepted: false, reason: 'Conflict' });
  expect(verdict.message).toMatch(/^another writer has the policy "c1\.pay\.p0": it stays/);
  expect(verdict.message).not.toContain(admin.operator.name);
});

describe('a held document', () => {
  beforeEach(async () => {
    await applied(many(11));
    await source.removeOthers(POLICIES, NONE);
  });

  it('is an ordinary one again when its object returns', async () => {
    expect(await source.apply(access('p3'))).toMatchObject({ isAccepted: true });
    expect(broker.parts.catalog.find('policy', 'c1.pay.p3')).toMatchObject({
      updatedBy: 'kubernetes/c1/pay/p3',
    });
    expect(source.held).toBe(10);
  });

  it('stays held in another process, however few there are (CR07)', async () => {
    for (let n = 1; n < 11; n += 1) await broker.remove(admin, 'policy', `c1.pay.p${n}`);
    source = documents(NAMESPACES);
    expect(source.held).toBe(1);
    await source.removeOthers(POLICIES, NONE);
    expect(present('c1.pay.')).toBe(1);
  });

  it('goes when an operator deletes it', async () => {
    await broker.remove(admin, 'policy', 'c1.pay.p0');
    expect([present('c1.pay.'), source.held]).toEqual([10, 10]);
  });
});
