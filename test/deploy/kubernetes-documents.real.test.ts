import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { testMetrics } from '../kit/api/test-metrics.ts';
import { systemClock } from '../../src/process/clock.ts';
import { clusterDocumentsConfigSchema } from '../../src/features/custom-resources/config.ts';
import type { Background } from '../../src/features/feature.ts';
import type { CopiedResources } from '../../src/features/custom-resources/cluster-worker.ts';
import { ClusterDocumentsWork } from '../../src/features/custom-resources/cluster-worker.ts';
import { connectKubernetes } from '../../src/providers/kubernetes/client/client.ts';
import { kubernetesConnectionSchema } from '../../src/providers/kubernetes/config.ts';
import { checkConfig } from '../../src/program/config/load.ts';
import { openInjector, type RunningInjector } from '../../src/program/injector/injector.ts';
import { describeWith } from '../kit/backends/backends.ts';
import type { Running } from '../kit/backends/footprint.ts';
import { freePort } from '../kit/backends/free-port.ts';
import { apply, deleteObject, grant, type Manifest } from '../kit/backends/kube-apply.ts';
import { kubeRequest, type KubeAccess } from '../kit/backends/kube-calls.ts';
import { Kubectl } from '../kit/backends/kubectl.ts';
import { createNamespace, createServiceAccount } from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { startKube, type Kube } from '../kit/backends/kube.ts';
import { until } from '../kit/backends/until.ts';
import { RunningApi } from '../kit/api/running-api.ts';
import { renderChart } from './chart.ts';
import { applyStrictly } from './manifests.ts';

const SYSTEM = 'quaymaster';
const WRITER = 'system:serviceaccount:trivy-system:trivy-operator';
const SOURCE = {
  cluster: 'c1',
  connection: 'home',
  clusterKinds: ['Mount', 'PostureProfile', 'ResponseRule'],
  namespaces: [{ name: 'prod', prefixes: ['app/prod'] }],
};
const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };
const GROUP = '/apis/quaymaster.dev/v1';
const HEADER = ['NAME', 'ACCEPTED', 'REASON', 'DOCUMENT'];
const ACCEPTED = ['wait', '--for=condition=Accepted', '--timeout=60s'];

interface Condition {
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration: number;
}

interface Stored {
  readonly metadata: { readonly generation: number };
  readonly status?: { readonly document?: string; readonly conditions: readonly Condition[] };
}

const rowsOf = (table: string): readonly (readonly string[])[] =>
  table
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => row.trim().split(/\s+/));

/** The chart's definitions, rights, policies and webhook on a real API server, and a broker and an injector with the accounts of the chart. */
describeWith(['helm', 'kube', 'kubectl'], 'custom resources of a real API server', (programs) => {
  const { helm } = programs;
  let kube: Running<Kube>;
  let directory: string;
  let api: RunningApi;
  let injector: RunningInjector;
  let team: KubeAccess;
  let kubectl: Kubectl;

  beforeAll(async () => {
    kube = await startKube();
    directory = await mkdtemp(join(tmpdir(), 'qm-documents-'));
    const port = await freePort();
    await install(port);
    const home = await connection('quaymaster');
    api = await RunningApi.start({
      connections: { home },
      kubernetes: { documents: [SOURCE] },
    });
    await api.put('clusters/c1', {
      connection: 'keys',
      issuer: 'https://issuer.test',
      audiences: ['quaymaster'],
      podWatch: false,
    });
    await api.put('mounts/app', { prefix: 'app', connection: 'embedded' });
    injector = await openWebhook(port, await connection('quaymaster-injector'));
    team = await account('prod', 'team', [
      { apiGroups: ['quaymaster.dev'], resources: ['*'], verbs: ['*'] },
      { apiGroups: ['aquasecurity.github.io'], resources: ['*'], verbs: ['*'] },
    ]);
    kubectl = await Kubectl.with(programs.kubectl, team);
  });
  afterAll(async () => {
    await injector.close();
    await api.stop();
    await kube.stop();
    await rm(directory, { recursive: true });
  });

  /** The chart, with the webhook at an address of this machine. */
  async function install(port: number): Promise<void> {
    for (const name of [SYSTEM, 'prod', 'dev', 'trivy-system']) await createNamespace(kube, name);
    const objects = await renderChart(helm, {
      config: { kubernetes: { documents: [SOURCE] } },
      injector: { enabled: true, cluster: 'c1', managedCertificate: true },
      evidenceWriters: [WRITER],
    });
    const kinds = /^(?:CustomResourceDefinition|ServiceAccount|ClusterRole.*|Validating.*)$/;
    for (const object of objects.filter(({ kind }) => kinds.test(kind))) {
      const webhooks = object['webhooks'] as readonly object[] | undefined;
      const clientConfig = { url: `https://localhost:${port}/validate` };
      await applyStrictly(kube, {
        ...object,
        ...(webhooks && { webhooks: webhooks.map((each) => ({ ...each, clientConfig })) }),
      });
    }
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    await apply(kube, {
      apiVersion: 'apiextensions.k8s.io/v1',
      kind: 'CustomResourceDefinition',
      metadata: { name: 'vulnerabilityreports.aquasecurity.github.io' },
      spec: {
        group: 'aquasecurity.github.io',
        scope: 'Namespaced',
        names: { plural: 'vulnerabilityreports', kind: 'VulnerabilityReport' },
        versions: [{ name: 'v1alpha1', served: true, storage: true, schema: { openAPIV3Schema } }],
      },
    });
  }

  async function account(
    namespace: string,
    name: string,
    rules: Parameters<typeof grant>[2] = [],
  ): Promise<KubeAccess> {
    await createServiceAccount(kube, namespace, name);
    await grant(kube, { namespace, name }, rules);
    return { ...kube, adminToken: await token(namespace, name) };
  }

  function token(namespace: string, serviceAccount: string): Promise<string> {
    const wish = { audience: kube.issuer, expirationSeconds: 3_600 };
    return boundToken(kube, { namespace, serviceAccount, ...wish });
  }

  /** Builds a connection with the rights of an account of the chart, and no others. */
  async function connection(serviceAccount: string): Promise<object> {
    const [tokenFile, caFile] = [join(directory, serviceAccount), join(directory, 'ca.pem')];
    await writeFile(tokenFile, await token(SYSTEM, serviceAccount));
    await writeFile(caFile, kube.caPem);
    return { type: 'kubernetes', server: kube.server, tokenFile, caFile };
  }

  async function openWebhook(port: number, home: object): Promise<RunningInjector> {
    // The chart's configuration of the mutating webhook selects no namespace of this suite; both need the certificate.
    await apply(kube, {
      apiVersion: 'admissionregistration.k8s.io/v1',
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: 'quaymaster-injector' },
      webhooks: [
        {
          name: 'inject.quaymaster.dev',
          clientConfig: { url: `https://localhost:${port}/inject` },
          namespaceSelector: { matchLabels: { 'quaymaster.dev/inject': 'enabled' } },
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          timeoutSeconds: 5,
        },
      ],
    });
    const file = (name: string): string => join(directory, name);
    const config = checkConfig(
      {
        store: { type: 'sqlite', path: file('store/db') },
        kek: { type: 'local-file', path: file('kek') },
        audit: { origin: 'quaymaster.test/d', logKeyFile: file('l'), checkpointFile: file('c') },
        connections: { home },
        kubernetes: { documents: [SOURCE] },
        injector: {
          listener: { host: '127.0.0.1', port },
          certificate: {
            managed: {
              connection: 'home',
              webhookConfiguration: 'quaymaster-injector',
              validatingWebhookConfiguration: 'quaymaster-documents',
              dnsNames: ['localhost'],
            },
          },
          image: 'registry.test/quaymaster:1',
          broker: { url: 'https://quaymaster.test:8200', cluster: 'c1' },
        },
      },
      'test',
    );
    const metrics = testMetrics();
    const [objects] = config.kubernetes.documents;
    const deps = { clock: systemClock, log: SILENT, metrics, objects };
    const running = await openInjector(config.injector!, config.connections, deps);
    await until('the webhook has its certificate', () =>
      Promise.resolve(running.unready().length === 0),
    );
    return running;
  }

  function pathOf({ kind, metadata: { namespace } }: Manifest): string {
    const plural = kind.toLowerCase().replace(/y$/, 'ie');
    return `${GROUP}${namespace === undefined ? '' : `/namespaces/${namespace}`}/${plural}s`;
  }

  async function send(
    object: Manifest,
    { as = team, query = '' }: { readonly as?: KubeAccess; readonly query?: string } = {},
  ): Promise<{ readonly status: number; readonly message: string }> {
    const path = `${pathOf(object)}/${object.metadata.name}`;
    const all = `fieldManager=team&force=true${query}`;
    const type = 'application/apply-patch+yaml';
    const { status, body } = await kubeRequest(as, 'PATCH', `${path}?${all}`, object, type);
    return { status, message: (body as { readonly message?: string }).message ?? '' };
  }

  async function read(object: Manifest): Promise<Stored> {
    const { body } = await kubeRequest(kube, 'GET', `${pathOf(object)}/${object.metadata.name}`);
    return body as Stored;
  }

  /** Waits for the broker's verdict on the present generation. */
  async function verdict(object: Manifest): Promise<Condition> {
    const found: { condition?: Condition } = {};
    await until(`a verdict on ${object.metadata.name}`, async () => {
      const { metadata, status } = await read(object);
      const [condition] = status?.conditions ?? [];
      if (condition?.observedGeneration !== metadata.generation) return false;
      found.condition = condition;
      return true;
    });
    return found.condition!;
  }

  function policy(name: string, change: object = {}, rule: object = {}): Manifest {
    const subject = { clusters: ['c1'], namespaces: ['prod'], serviceAccounts: ['*'] };
    return {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name, namespace: 'prod' },
      spec: {
        subjects: [{ ...subject, ...change }],
        rules: [{ effect: 'allow', paths: ['app/prod/**'], capabilities: ['read'], ...rule }],
      },
    };
  }

  /** The table of `kubectl get quaymaster`, which the columns of the definitions make. */
  async function list(namespace: string): Promise<readonly (readonly string[])[]> {
    return rowsOf(await kubectl.ok(['get', 'quaymaster', '--namespace', namespace]));
  }

  const isGone = async (path: string): Promise<boolean> =>
    (await api.call('GET', `/api/v1/${path}`, { token: api.admin })).status === 404;

  it('a policy grants access while it exists, and its status says so', async () => {
    const editor = await api.operator('editor', [{ role: 'secret-editor' }]);
    await api.call('PUT', '/api/v1/secrets/app/prod/db', {
      token: editor,
      body: { data: { password: 'x' } },
      headers: { 'If-None-Match': '*' },
    });
    const session = await api.logIn();
    const statusOfRead = async (): Promise<number> =>
      (await api.call('GET', '/api/v1/secrets/app/prod/db', { token: session })).status;
    expect(await statusOfRead()).toBe(403);
    const shop = JSON.stringify(policy('shop'));
    await kubectl.ok(['apply', '-f', '-'], shop);
    await kubectl.ok([...ACCEPTED, '--namespace', 'prod', 'accesspolicy/shop']);
    expect(await list('prod')).toEqual([
      HEADER,
      ['accesspolicy.quaymaster.dev/shop', 'True', 'Accepted', 'c1.prod.shop'],
    ]);
    expect(await statusOfRead()).toBe(200);
    await kubectl.ok(['delete', '-f', '-'], shop);
    await until('the policy is gone', () => isGone('policies/c1.prod.shop'));
    expect(await statusOfRead()).toBe(403);
  });

  it('a change is accepted only when the broker has seen it', async () => {
    const at = ['--namespace', 'prod', 'accesspolicy/changing'];
    await kubectl.ok(['apply', '-f', '-'], JSON.stringify(policy('changing')));
    await kubectl.ok([...ACCEPTED, ...at]);
    const changed = policy('changing', {}, { paths: ['app/prod/other'] });
    await kubectl.ok(['apply', '-f', '-'], JSON.stringify(changed));
    await kubectl.ok([...ACCEPTED, ...at]);
    const { body } = await api.call('GET', '/api/v1/policies/c1.prod.changing', {
      token: api.admin,
    });
    expect(body.document).toMatchObject({ spec: { rules: [{ paths: ['app/prod/other'] }] } });
    await kubectl.ok(['delete', ...at]);
  });

  it('the commands of a page of documentation make documents', async () => {
    const page = await readFile('docs/kubernetes-documents.md', 'utf8');
    const [, commands = ''] = /^```sh outside\n(kubectl apply -f - [^]*?)^```$/m.exec(page) ?? [];
    const pasted = await kubectl.paste(commands);
    expect(pasted).toMatchObject({ code: 0, stderr: '' });
    const [policies, definitions] = ['accesspolicy', 'secretdefinition'].map(
      (kind) => `${kind}.quaymaster.dev`,
    );
    expect(rowsOf(pasted.stdout)).toEqual([
      [`${policies}/shop`, 'created'],
      [`${definitions}/database`, 'created'],
      [`${policies}/shop`, 'condition', 'met'],
      [`${definitions}/database`, 'condition', 'met'],
      HEADER,
      [`${policies}/shop`, 'True', 'Accepted', 'c1.prod.shop'],
      HEADER,
      [`${definitions}/database`, 'True', 'Accepted', 'app/prod/database'],
    ]);
    await kubectl.ok(['delete', 'quaymaster', '--all', '--namespace', 'prod']);
  });

  it('a server-side dry run refuses a faulty policy with the place, and stores nothing', async () => {
    const dryRun = ['apply', '--dry-run=server', '-f', '-'];
    const faulty = policy('faulty', {}, { condition: {} });
    const refused = await kubectl.run(dryRun, JSON.stringify(faulty));
    expect(refused).toMatchObject({ code: 1, stdout: '' });
    expect(refused.stderr).toContain('spec.rules[0].condition: is not a known field');
    // The webhook knows no caller here, so it does not say what a namespace may write.
    const foreign = policy('foreign', { namespaces: ['*'] });
    expect(await kubectl.ok(dryRun, JSON.stringify(foreign))).toMatch(/foreign created/);
    expect(await kubectl.ok(dryRun, JSON.stringify(policy('fine')))).toBe(
      'accesspolicy.quaymaster.dev/fine created (server dry run)\n',
    );
    expect(await list('prod')).toEqual([]);
  });

  describe('without the webhook', () => {
    beforeAll(() => injector.close());

    it.each<[string, Manifest, string]>([
      [
        'a faulty policy',
        policy('faulty', {}, { paths: ['app/prod/***'] }),
        'spec.rules[0].paths[0]',
      ],
      [
        'a policy for others',
        policy('others', { namespaces: ['dev'] }),
        'spec.subjects[0].namespaces',
      ],
      [
        'a policy of a namespace without rights',
        { ...policy('dev'), metadata: { name: 'dev', namespace: 'dev' } },
        'metadata.namespace',
      ],
      [
        'a definition outside the prefixes',
        {
          apiVersion: 'quaymaster.dev/v1',
          kind: 'SecretDefinition',
          metadata: { name: 'bank', namespace: 'prod' },
          spec: { path: 'app/bank/db' },
        },
        'spec.path',
      ],
    ])('%s is refused in its status (CR01)', async (_what, object, place) => {
      const { status, message } = await send(object);
      expect([status, message]).toEqual([201, '']);
      const condition = await verdict(object);
      expect(condition).toMatchObject({ status: 'False' });
      expect(condition.message).toContain(`${place}: `);
      await deleteObject(kube, object);
    });

    it('objects without a namespace become documents, which go with them', async () => {
      const kind = (kindOf: string, metadata: Manifest['metadata'], spec: object): Manifest => ({
        apiVersion: 'quaymaster.dev/v1',
        kind: kindOf,
        metadata,
        spec,
      });
      const mount = kind('Mount', { name: 'other' }, { prefix: 'other', connection: 'embedded' });
      const profile = kind(
        'PostureProfile',
        { name: 'base' },
        { mode: 'audit', pod: { resourceLimits: 'required' } },
      );
      const rule = kind('ResponseRule', { name: 'note' }, { action: 'audit' });
      const file = [mount, profile, rule].map((each) => JSON.stringify(each)).join('\n---\n');
      await kubectl.ok(['apply', '-f', '-'], file);
      await kubectl.ok([...ACCEPTED, '-f', '-'], file);
      await kubectl.ok(['delete', '-f', '-'], file);
      await until('they are gone', async () => isGone('mounts/other'));
    });

    it('an object with the name of a document of an operator is refused (CR04)', async () => {
      const name = 'c1.prod.taken';
      const { spec } = policy('taken');
      await api.put(`policies/${name}`, {
        apiVersion: 'quaymaster.dev/v1',
        kind: 'AccessPolicy',
        metadata: { name },
        spec,
      });
      await kubectl.ok(['apply', '-f', '-'], JSON.stringify(policy('taken')));
      const refused = ['wait', '--for=condition=Accepted=False', '--timeout=60s'];
      await kubectl.ok([...refused, '--namespace', 'prod', 'accesspolicy/taken']);
      expect(await list('prod')).toEqual([
        HEADER,
        ['accesspolicy.quaymaster.dev/taken', 'False', 'Conflict'],
      ]);
      await kubectl.ok(['delete', '--namespace', 'prod', 'accesspolicy/taken']);
      expect(await isGone(`policies/${name}`)).toBe(false);
    });
  });

  it('only the broker writes the status of an object (CR06)', async () => {
    const shop = policy('status');
    await send(shop);
    await verdict(shop);
    const path = `${pathOf(shop)}/status/status`;
    const patch = { status: { document: 'forged' } };
    const type = 'application/merge-patch+json';
    const refused = await kubeRequest(team, 'PATCH', path, patch, type);
    expect(refused.status).toBe(403);
    expect(JSON.stringify(refused.body)).toContain('only the broker writes the status');
    await deleteObject(kube, shop);
  });

  it('only the scanner writes reports (CR06)', async () => {
    const scanner = await account('trivy-system', 'trivy-operator', [
      { apiGroups: ['aquasecurity.github.io'], resources: ['*'], verbs: ['*'] },
    ]);
    const path = '/apis/aquasecurity.github.io/v1alpha1/namespaces/prod/vulnerabilityreports';
    const report = {
      apiVersion: 'aquasecurity.github.io/v1alpha1',
      kind: 'VulnerabilityReport',
      metadata: { name: 'report' },
      report: { summary: {} },
    };
    const forged = await kubeRequest(team, 'POST', path, report);
    expect(forged.status).toBe(403);
    expect(JSON.stringify(forged.body)).toContain('evidenceWriters');
    expect((await kubeRequest(scanner, 'POST', path, report)).status).toBe(201);
    const change = { report: { summary: { criticalCount: 0 } } };
    const type = 'application/merge-patch+json';
    expect((await kubeRequest(team, 'PATCH', `${path}/report`, change, type)).status).toBe(403);
  });

  it('the account of the broker may write the status only, and read nothing else of the group (CR06)', async () => {
    const own = { ...kube, adminToken: await token(SYSTEM, 'quaymaster') };
    const shop = policy('rights');
    await send(shop);
    expect((await send(shop, { as: own })).status).toBe(403);
    const removed = await kubeRequest(own, 'DELETE', `${pathOf(shop)}/rights`);
    expect(removed.status).toBe(403);
    await deleteObject(kube, shop);
  });

  it('a deleted definition of a kind deletes no more than a few documents (CR07)', async () => {
    const { broker } = api;
    const [work] = broker.parts.clusterDocuments();
    // Else those that an earlier test deleted a moment ago are held with the others.
    await until('the objects of earlier tests are gone', () =>
      Promise.resolve(
        ['status', 'rights'].every(
          (name) => broker.parts.catalog.find('policy', `c1.prod.${name}`) === undefined,
        ),
      ),
    );
    const many = Array.from({ length: 40 }, (_, n) => policy(`many-${n}`));
    const present = (): number =>
      many.filter(({ metadata: { name } }) =>
        broker.parts.catalog.find('policy', `c1.prod.${name}`),
      ).length;
    const sendAll = async (): Promise<void> => {
      for (const each of many) expect((await send(each)).status).toBeLessThan(300);
    };
    await sendAll();
    await until('all are documents', () => Promise.resolve(present() === 40));
    const definitions = await readFile(
      'deploy/helm/quaymaster/files/custom-resources.yaml',
      'utf8',
    );
    const definition = (loadAll(definitions) as Manifest[]).find(({ metadata: { name } }) =>
      name.startsWith('accesspolicies.'),
    )!;
    await deleteObject(kube, definition);
    const isServed = async (): Promise<boolean> =>
      (await kubeRequest(kube, 'GET', `${GROUP}/accesspolicies`)).status === 200;
    await until('the API server has deleted the objects', async () => !(await isServed()));
    await until('the others are held', () => Promise.resolve(work!.held === present()));
    expect(present()).toBeGreaterThanOrEqual(30);
    expect(broker.warnings()).toContain('deletions_held');
    await applyStrictly(kube, definition);
    await until('the kind is served again', isServed);
    await sendAll();
    await until('the marks are gone', () => Promise.resolve(work!.held === 0 && present() === 40));
    expect(broker.warnings()).not.toContain('deletions_held');
  });

  it('policies of a namespace that was replaced while no broker ran grant nothing (CR11)', async () => {
    const { parts } = api.broker;
    // An operator wrote the policy "taken".
    const ofProd = (): readonly string[] =>
      [...parts.catalog.policies.policies]
        .filter(([name, { rules }]) => name.startsWith('c1.prod.') && rules.length > 0)
        .filter(([name]) => name !== 'c1.prod.taken')
        .map(([name]) => name);
    await send(policy('left'));
    await until('it grants', () => Promise.resolve(ofProd().includes('c1.prod.left')));
    const before = ofProd();
    await until('the UID is known', async () => {
      const row = await parts.store.get('meta', { key: 'namespace-uids/c1' });
      return row?.value.includes('"prod"') === true;
    });
    const [first] = parts.clusterDocuments() as readonly (CopiedResources & Background)[];
    await first!.stop();

    const prod = '/api/v1/namespaces/prod';
    await kubeRequest(kube, 'DELETE', `${GROUP}/namespaces/prod/accesspolicies`);
    await kubeRequest(kube, 'DELETE', prod);
    const { body } = await kubeRequest(kube, 'GET', prod);
    await kubeRequest(kube, 'PUT', `${prod}/finalize`, {
      ...(body as object),
      spec: { finalizers: [] },
    });
    await createNamespace(kube, 'prod');
    expect(ofProd()).toEqual(before);

    const home = kubernetesConnectionSchema.parse(await connection('quaymaster'));
    const cluster = { type: 'kubernetes' as const, api: await connectKubernetes(home) };
    const [config] = clusterDocumentsConfigSchema.parse([SOURCE]);
    const next = new ClusterDocumentsWork(config!, true, {
      parts,
      connections: new Map([['home', cluster]]),
      trail: { owner: 'next' },
    });
    // As the start of a broker does, before its first login.
    await next.checkNamespaces();
    expect(ofProd()).toEqual([]);
    cluster.api.close();
  });
});
