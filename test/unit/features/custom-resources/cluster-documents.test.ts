import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ClusterDocuments,
  type Verdict,
} from '../../../../src/features/custom-resources/cluster-documents.ts';
import {
  readClusterObject,
  RESOURCES,
  type ClusterObject,
} from '../../../../src/features/custom-resources/cluster-object.ts';
import { clusterDocumentsConfigSchema } from '../../../../src/features/custom-resources/config.ts';
import { ObjectAuthority } from '../../../../src/features/custom-resources/object-authority.ts';
import { statusPatch } from '../../../../src/features/custom-resources/object-status.ts';
import type { LiveOperator } from '../../../../src/broker/state/operator-token-memory.ts';
import { sha256Hex } from '../../../../src/crypto/hashes/digest.ts';
import { DOCUMENT_VERSIONS } from '../../../../src/ports/queries.ts';
import { mount, policy, TestBroker } from '../../../kit/broker/test-broker.ts';

const TEAM = { name: 'pay', prefixes: ['kv/pay', 'app/pay'] };
const CLUSTER = { cluster: 'c1', connection: 'home' };

let broker: TestBroker;
let admin: LiveOperator;
beforeAll(async () => {
  broker = await TestBroker.open();
  admin = await broker.seed();
});
afterAll(() => broker.close());

function documents(config: object): ClusterDocuments {
  const [parsed] = clusterDocumentsConfigSchema.parse([{ ...CLUSTER, ...config }]);
  return new ClusterDocuments(broker.parts, new ObjectAuthority(parsed!, sha256Hex), 'kube.test');
}

interface Wish {
  readonly namespace?: string;
  readonly name?: string;
  readonly spec: unknown;
  readonly generation?: number;
}

function object(
  objectKind: string,
  { namespace = 'pay', name = 'shop', ...rest }: Wish,
): ClusterObject {
  const resource = RESOURCES.find((each) => each.objectKind === objectKind)!;
  const metadata = {
    name,
    uid: `uid-${name}`,
    generation: rest.generation ?? 1,
    ...(resource.isNamespaced && { namespace }),
  };
  return readClusterObject(resource, { metadata, spec: rest.spec });
}

const SUBJECT = { clusters: ['c1'], namespaces: ['pay'], serviceAccounts: ['api'] };
const RULE = { effect: 'allow', paths: ['kv/pay/**'], capabilities: ['read'] };

function access(
  change: { subject?: object; rule?: object } = {},
  wish: Partial<Wish> = {},
): ClusterObject {
  const spec = {
    subjects: [{ ...SUBJECT, ...change.subject }],
    rules: [{ ...RULE, ...change.rule }],
  };
  return object('AccessPolicy', { spec, ...wish });
}

const NOTHING: Verdict = { isAccepted: false, reason: 'NotAllowed', message: '' };

describe('an object of a team', () => {
  it('becomes a document that the log attributes to the cluster and the object', async () => {
    const made: { verdict?: Verdict } = {};
    const entries = await broker.entriesOf(async () => {
      made.verdict = await documents({ namespaces: [TEAM] }).apply(access());
    });
    expect(made.verdict).toMatchObject({ isAccepted: true, document: 'c1.pay.shop' });
    expect(entries).toMatchObject([
      {
        actor: { kind: 'system', id: 'kubernetes/c1' },
        action: 'document.write',
        document: { kind: 'policy', name: 'c1.pay.shop', version: 1 },
        client: {
          address: 'kube.test',
          requestId: 'uid-shop/1',
          target: '/apis/quaymaster.dev/v1/namespaces/pay/accesspolicies/shop',
        },
      },
    ]);
    const stored = broker.parts.catalog.find('policy', 'c1.pay.shop');
    expect(stored).toMatchObject({ updatedBy: 'kubernetes/c1/pay/shop', version: 1 });
  });

  it('is not written again while it is the same', async () => {
    const source = documents({ namespaces: [TEAM] });
    await source.apply(access());
    expect(await broker.entriesOf(() => source.apply(access()))).toEqual([]);
  });

  it('keeps its last accepted document when the next generation is refused, and says where the fault is', async () => {
    const source = documents({ namespaces: [TEAM] });
    await source.apply(access());
    const verdict = await source.apply(access({ rule: { capabilities: ['raed'] } }));
    expect(verdict).toMatchObject({
      isAccepted: false,
      reason: 'Invalid',
      document: 'c1.pay.shop',
    });
    expect(verdict.message).toMatch(/^spec\.rules\[0\]\.capabilities\[0\]: must be one of/);
  });

  it('loses its document when it is deleted, and when a list no longer has it', async () => {
    const source = documents({ namespaces: [TEAM] });
    const [first, second] = [access(), access({}, { name: 'other' })];
    await source.apply(first);
    await source.apply(second);
    await source.remove(first);
    expect(broker.parts.catalog.find('policy', 'c1.pay.shop')).toBeUndefined();
    await source.removeOthers(second.resource, new Set(['kubernetes/c1/pay/other']));
    expect(broker.parts.catalog.find('policy', 'c1.pay.other')).toBeDefined();
    await source.removeOthers(second.resource, new Set());
    expect(broker.parts.catalog.find('policy', 'c1.pay.other')).toBeUndefined();
    expect(broker.parts.catalog.find('policy', 'all')).toBeDefined();
  });

  it('loses its document when the configuration takes the prefix or the namespace away (CR05)', async () => {
    for (const namespaces of [[{ name: 'pay', prefixes: ['kv/other'] }], []]) {
      await documents({ namespaces: [TEAM] }).apply(access());
      expect(await documents({ namespaces }).apply(access())).toMatchObject({
        reason: 'NotAllowed',
      });
      expect(broker.parts.catalog.find('policy', 'c1.pay.shop')).toBeUndefined();
    }
  });

  it('never replaces or deletes the document of an operator or of another object (CR04)', async () => {
    await broker.put(admin, 'policy', 'c1.pay.taken', policy('c1.pay.taken', ['kv/x']));
    const source = documents({ namespaces: [TEAM] });
    const taken = access({}, { name: 'taken' });
    expect(await source.apply(taken)).toMatchObject({
      reason: 'Conflict',
      message: /"root" wrote/,
    });
    await source.remove(taken);
    expect(broker.parts.catalog.find('policy', 'c1.pay.taken')?.version).toBe(1);

    const definition = { path: 'kv/pay/db', leaseTtl: '5m' };
    const [one, two] = ['one', 'two'].map((name) =>
      object('SecretDefinition', { name, spec: definition }),
    );
    expect(await source.apply(one!)).toMatchObject({ isAccepted: true, document: 'kv/pay/db' });
    expect(await source.apply(two!)).toMatchObject({
      reason: 'Conflict',
      message: /kubernetes\/c1\/pay\/one/,
    });
    await source.remove(two!);
    expect(broker.parts.catalog.find('definition', 'kv/pay/db')).toBeDefined();
    await source.apply(object('SecretDefinition', { name: 'one', spec: { path: 'kv/pay/moved' } }));
    expect(broker.parts.catalog.find('definition', 'kv/pay/db')).toBeUndefined();
    await source.remove(one!);
    expect(broker.parts.catalog.find('definition', 'kv/pay/moved')).toBeUndefined();
  });

  it('leaves a document alone that an operator took over', async () => {
    const source = documents({ namespaces: [TEAM] });
    await source.apply(access());
    await broker.put(admin, 'policy', 'c1.pay.shop', policy('c1.pay.shop', ['kv/none']));
    expect(await source.apply(access())).toMatchObject({ reason: 'Conflict' });
    await source.remove(access());
    expect(broker.parts.catalog.find('policy', 'c1.pay.shop')).toBeDefined();
    await broker.remove(admin, 'policy', 'c1.pay.shop');
  });
});

describe('a hostile object', () => {
  const refused: readonly (readonly [string, () => ClusterObject, string])[] = [
    ['of a namespace without rights', () => access({}, { namespace: 'dev' }), 'metadata.namespace'],
    [
      'that speaks of another namespace',
      () => access({ subject: { namespaces: ['pay', 'bank'] } }),
      'spec.subjects[0].namespaces',
    ],
    [
      'that matches other namespaces by a wildcard',
      () => access({ subject: { namespaces: ['pay*'] } }),
      'spec.subjects[0].namespaces',
    ],
    [
      'that speaks of every namespace and restricts it by labels of pods only',
      () => access({ subject: { namespaces: ['*'], podLabels: { team: 'pay' } } }),
      'spec.subjects[0].namespaces',
    ],
    [
      'that speaks of another cluster',
      () => access({ subject: { clusters: ['c2'] } }),
      'spec.subjects[0].clusters',
    ],
    [
      'that speaks of identities outside Kubernetes',
      () =>
        object('AccessPolicy', {
          spec: { subjects: [{ clusters: ['c1'], identities: ['repo'] }], rules: [RULE] },
        }),
      'spec.subjects[0].identities',
    ],
    ...[
      'kv/**',
      '**',
      'kv/*',
      'kv/pa*/x',
      'kv/payx/**',
      'kv/${namespace}/**',
      '${namespace}/pay/x',
      '*/pay/**',
      'kv/bank/db',
    ].map(
      (path) =>
        [
          `with the path ${path}`,
          () => access({ rule: { paths: ['kv/pay/x', path] } }),
          'spec.rules[0].paths[1]',
        ] as const,
    ),
    [
      'that defines a path outside its prefixes',
      () => object('SecretDefinition', { spec: { path: 'kv/bank/db' } }),
      'spec.path',
    ],
    [
      'that aliases a place of another team',
      () => object('SecretDefinition', { spec: { path: 'kv/pay/x', ref: { at: 'bank/db' } } }),
      'spec.ref',
    ],
    [
      'that rotates an account of others',
      () =>
        object('SecretDefinition', {
          spec: {
            path: 'app/pay/x',
            rotation: {
              connection: 'target-1',
              strategy: 'passwords',
              options: { user: 'bank' },
              schedule: { every: '1h' },
            },
          },
        }),
      'spec.rotation.options',
    ],
    [
      'that confirms accounts, which only an admin may',
      () =>
        object('SecretDefinition', {
          spec: { path: 'kv/pay/x', rotation: { takeover: 'confirmed' } },
        }),
      'spec.rotation.takeover',
    ],
    ['of a kind without a namespace', () => object('Mount', { spec: mount('team') }), 'kind'],
    [
      'with the name of a posture profile',
      () =>
        object('PostureProfile', { spec: { mode: 'audit', pod: { resourceLimits: 'required' } } }),
      'kind',
    ],
    [
      'with a field that does not exist',
      () => access({ rule: { condition: {} } }),
      'spec.rules[0].condition',
    ],
    [
      'with a name too long for a document',
      () => access({}, { name: 'x'.repeat(60) }),
      'metadata.name',
    ],
    ['that is too large', () => access({ rule: { name: 'x'.repeat(70_000) } }), 'spec'],
    ['without a spec', () => object('AccessPolicy', { spec: undefined }), 'spec'],
  ];

  it.each(refused)('%s is refused with the place (CR01)', async (_what, made, place) => {
    const before = broker.parts.catalog.all('policy').length;
    const source = documents({ namespaces: [TEAM] });
    const verdict = await source.apply(made());
    expect([verdict.isAccepted, verdict.message]).toEqual([
      false,
      expect.stringContaining(`${place}: `),
    ]);
    expect(broker.parts.catalog.all('policy')).toHaveLength(before);
    expect(broker.parts.catalog.find('definition', 'kv/pay/x')).toBeUndefined();
    expect(broker.parts.catalog.find('definition', 'app/pay/x')).toBeUndefined();
  });

  it('is never a document that says who has rights (CR05)', () => {
    const kinds = RESOURCES.map(({ kind }) => kind as string);
    expect(kinds).not.toContain('operator');
    expect(kinds).not.toContain('role-binding');
    expect(kinds).not.toContain('cluster');
  });

  it('cannot fill the store: documents and changes of a namespace are bounded (CR03)', async () => {
    const source = documents({ namespaces: [TEAM] });
    const verdicts: Verdict[] = [];
    for (let n = 0; n < 501; n += 1) {
      verdicts.push(await source.apply(access({}, { name: `flood-${n}` })));
    }
    expect(verdicts.at(499)).toMatchObject({ isAccepted: true });
    expect(verdicts.at(500)).toMatchObject({ reason: 'TooMany' });
    const change = async (n: number): Promise<Verdict> =>
      source.apply(access({ rule: { paths: [`kv/pay/${n}`] } }, { name: 'flood-0' }));
    const loop = async (): Promise<void> => {
      for (let n = 0; n < 501; n += 1) await change(n);
    };
    await expect(loop()).rejects.toMatchObject({ code: 'ERR_RATE_LIMITED' });
    for (let n = 0; n < 501; n += 1) await source.remove(access({}, { name: `flood-${n}` }));
    expect(broker.parts.catalog.find('policy', 'c1.pay.flood-0')).toBeUndefined();
  });
});

describe('objects that the operator of the cluster writes', () => {
  it('are about everything if their namespace is unrestricted', async () => {
    const source = documents({ namespaces: [{ name: 'platform', unrestricted: true }] });
    const wide = { subject: { namespaces: ['*'] }, rule: { paths: ['**'] } };
    const made = access(wide, { namespace: 'platform' });
    expect(await source.apply(made)).toMatchObject({ document: 'c1.platform.shop' });
    await source.remove(made);
  });

  it('need their kind in the configuration if it has no namespace (CR05)', async () => {
    const source = documents({ clusterKinds: ['Mount', 'ResponseRule', 'PostureProfile'] });
    const made = [
      object('Mount', { name: 'other', spec: mount('other') }),
      object('ResponseRule', { spec: { action: 'audit' } }),
      object('PostureProfile', { spec: { mode: 'audit', pod: { resourceLimits: 'required' } } }),
    ];
    for (const each of made) {
      expect(await source.apply(each)).toMatchObject({ isAccepted: true, document: each.name });
    }
    for (const each of made) await source.remove(each);
    const nested = object('Mount', { spec: mount('kv/x') });
    expect(await source.apply(nested)).toMatchObject({ reason: 'Conflict' });
    const wrong = object('Mount', { spec: { prefix: 'y', connection: 'none' } });
    expect((await source.apply(wrong)).message).toMatch(/^spec\.connection: no such connection/);
  });
});

describe('the status of an object', () => {
  it('has the observed generation, keeps its time, and is not written twice', () => {
    const made = access({}, { generation: 3 });
    const patch = statusPatch(made, { ...NOTHING, message: 'why' }, 1_000_000) as {
      readonly status: { readonly conditions: readonly object[] };
    };
    const [condition] = patch.status.conditions;
    expect(condition).toEqual({
      type: 'Accepted',
      status: 'False',
      reason: 'NotAllowed',
      message: 'why',
      observedGeneration: 3,
      lastTransitionTime: '1970-01-01T00:16:40Z',
    });
    const written = { ...made, conditions: [condition] };
    expect(statusPatch(written, { ...NOTHING, message: 'why' }, 2_000_000)).toBeUndefined();
    const other = statusPatch(written, { ...NOTHING, message: 'other' }, 2_000_000);
    expect(other).toMatchObject({
      status: { conditions: [{ lastTransitionTime: '1970-01-01T00:16:40Z' }] },
    });
  });
});

describe('the documents of a namespace', () => {
  const rows = (name: string): Promise<readonly { readonly version: number }[]> =>
    broker.store.list(DOCUMENT_VERSIONS.ofDocument('policy', name), { limit: 100 });

  it('keep their newest 20 versions, and after a deletion the last one (CR03)', async () => {
    const source = documents({ namespaces: [TEAM] });
    const made = (generation: number): ClusterObject =>
      access({ rule: { name: `r${generation}` } }, { name: 'busy', generation });
    for (let generation = 1; generation <= 25; generation += 1)
      await source.apply(made(generation));
    const kept = (await rows('c1.pay.busy')).map(({ version }) => version);
    expect(kept).toHaveLength(20);
    expect(Math.min(...kept)).toBe(6);
    await source.remove(made(25));
    expect((await rows('c1.pay.busy')).map(({ version }) => version)).toEqual([26, 25]);
  });

  it('have a limit of bytes together, also if each is small enough (CR03)', async () => {
    const source = documents({ namespaces: [TEAM] });
    const path = (at: number): string => `kv/pay/${String(at).padStart(3, '0')}${'x'.repeat(180)}`;
    const rules = Array.from({ length: 60 }, (_, rule) => ({
      ...RULE,
      name: `r${rule}`,
      paths: Array.from({ length: 5 }, (_each, at) => path(at)),
    }));
    let verdict = NOTHING;
    let accepted = 0;
    while (accepted < 300) {
      const spec = { subjects: [SUBJECT], rules };
      verdict = await source.apply(object('AccessPolicy', { spec, name: `large-${accepted}` }));
      if (!verdict.isAccepted) break;
      accepted += 1;
    }
    expect(verdict).toMatchObject({
      reason: 'TooMany',
      message: expect.stringMatching(/would have \d+ bytes; the limit is 8388608/),
    });
    expect(accepted).toBeGreaterThan(100);
  });
});
