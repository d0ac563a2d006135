import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import { sha256Hex } from '../../src/crypto/hashes/digest.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { apply, deleteObject, grant, type Manifest } from '../kit/backends/kube-apply.ts';
import { kubeCall, type KubeObject } from '../kit/backends/kube-calls.ts';
import {
  createNamespace,
  createPod,
  createServiceAccount,
  deletePod,
} from '../kit/backends/kube-objects.ts';
import { boundToken } from '../kit/backends/kube-tokens.ts';
import { until } from '../kit/backends/until.ts';
import { RunningApi, type Answered } from '../kit/api/running-api.ts';
import { operatorReport } from '../kit/images/scanner-reports.ts';

const GROUP = 'aquasecurity.github.io';
/** docs/clusters.md: the pod watch, and each further watch. */
const READ = ['get', 'list', 'watch'];
const RULES = [
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: [''], resources: ['pods', 'namespaces'], verbs: READ },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: READ },
  {
    apiGroups: [GROUP],
    resources: ['vulnerabilityreports', 'exposedsecretreports'],
    verbs: READ,
  },
];
const OTHER = `sha256:${'e'.repeat(64)}`;

describeWith(['kube'], 'watches of a real cluster', ({ kube }) => {
  let api: RunningApi;
  let directory = '';
  let namespace = '';
  /** Another one in each run: the server may have reports of earlier runs. */
  let digest = '';
  let pod: KubeObject;
  let token = '';

  beforeAll(async () => {
    for (const kind of ['VulnerabilityReport', 'ExposedSecretReport']) await apply(kube, crd(kind));
    const created = await createNamespace(kube);
    namespace = created.metadata.name;
    digest = `sha256:${sha256Hex(namespace)}`;
    await createServiceAccount(kube, namespace, 'quaymaster');
    await grant(kube, { namespace, name: 'quaymaster' }, RULES);
    const own = { namespace, serviceAccount: 'quaymaster', audience: kube.issuer };
    directory = await mkdtemp(join(tmpdir(), 'qm-watched-'));
    const [tokenFile, caFile] = [join(directory, 'token'), join(directory, 'ca.pem')];
    await writeFile(tokenFile, await boundToken(kube, { ...own, expirationSeconds: 3_600 }));
    await writeFile(caFile, kube.caPem);
    const home = { type: 'kubernetes', server: kube.server, tokenFile, caFile };
    api = await RunningApi.start({ connections: { home } });
    await api.seed();
    await api.put('clusters/real', {
      connection: 'home',
      issuer: kube.issuer,
      audiences: ['quaymaster'],
      mode: 'token-review',
      trivyReports: true,
    });
    await api.put('policies/real', {
      apiVersion: 'quaymaster.dev/v1',
      kind: 'AccessPolicy',
      metadata: { name: 'real' },
      spec: {
        subjects: [{ clusters: ['real'], namespaces: [namespace], serviceAccounts: ['web'] }],
        rules: [{ name: 'read', effect: 'allow', capabilities: ['read'], paths: ['app/**'] }],
      },
    });
    await api.call('PUT', '/api/v1/secrets/app/db', {
      token: api.admin,
      body: { data: { password: 'v' } },
      headers: { 'If-None-Match': '*' },
    });
    await createServiceAccount(kube, namespace, 'web');
    pod = await createPod(kube, {
      namespace,
      serviceAccount: 'web',
      labels: { app: 'web' },
      spec: { containers: [{ name: 'web', image: `registry.test/prod/web@${digest}` }] },
    });
    const session = await until201();
    token = session.body.token as string;
  }, 120_000);
  afterEach(async () => {
    const { body } = await api.call('GET', '/api/v1/posture-profiles', { token: api.admin });
    for (const { name } of body.items) {
      const path = `/api/v1/posture-profiles/${name}`;
      const { headers } = await api.call('GET', path, { token: api.admin });
      const { etag = '' } = headers;
      await api.call('DELETE', path, { token: api.admin, headers: { 'If-Match': etag } });
    }
  });
  afterAll(async () => {
    await deletePod(kube, pod);
    for (const plural of ['vulnerabilityreports', 'exposedsecretreports'])
      await kubeCall(kube, 'DELETE', `/apis/${GROUP}/v1alpha1/namespaces/${namespace}/${plural}`);
    await api.stop();
    await rm(directory, { recursive: true });
  });

  /** The API server knows a new grant after a moment. */
  async function until201(): Promise<Answered> {
    const wish = { namespace, serviceAccount: 'web', audience: 'quaymaster', pod };
    let answer: Answered | undefined;
    await until('the pod logs in', async () => {
      const body = { cluster: 'real', token: await boundToken(kube, wish) };
      answer = await api.call('POST', '/api/v1/sessions', { body });
      return answer.status === 201;
    });
    return answer!;
  }

  const profile = (spec: object): Promise<void> =>
    api.put('posture-profiles/gate', {
      mode: 'enforce',
      ...spec,
      match: { clusters: ['real'], ...(spec as { match?: object }).match },
    });
  const untilRead = async (code: string | undefined, detail = ''): Promise<void> => {
    let answer: Answered | undefined;
    await until(`a read is ${code ?? 'allowed'}`, async () => {
      answer = await api.call('GET', '/api/v1/secrets/app/db', { token });
      return answer.body.code === code;
    });
    expect(answer?.text).toContain(detail);
  };
  const report = (kind: string, ageMs: number, change: object = {}): Manifest => {
    const base = operatorReport(kind, {
      updateTimestamp: new Date(Date.now() - ageMs).toISOString(),
      registry: { server: 'registry.test' },
      artifact: { repository: 'prod/web', digest },
      ...change,
    });
    return {
      ...base,
      metadata: { name: `replicaset-web-${kind.toLowerCase()}`, namespace },
    } as unknown as Manifest;
  };

  it('refuses a secret by a report of the Trivy Operator, and allows it by the next', async () => {
    await profile({ vulnerabilities: { deny: ['HIGH'] } });
    await untilRead('ERR_POSTURE_PENDING', 'report_missing');
    await apply(kube, report('VulnerabilityReport', 60_000));
    await untilRead('ERR_POSTURE_DENIED', 'vulnerability_denied');
    await apply(kube, report('VulnerabilityReport', 0, { vulnerabilities: [] }));
    await untilRead(undefined);
  });

  it('keeps evidence of a report that the operator deleted, and skips a broken one (EV08)', async () => {
    await profile({ exposedSecrets: { deny: ['HIGH'] } });
    const broken = report('ExposedSecretReport', 0, { secrets: { not: 'a list' } });
    await apply(kube, { ...broken, metadata: { name: 'broken', namespace } });
    await apply(kube, report('ExposedSecretReport', 0));
    await untilRead('ERR_POSTURE_DENIED', 'exposed_secret');
    await until('the broken one is refused', () =>
      Promise.resolve((api.broker.parts.watchedReports().get('real')?.get('refused') ?? 0) > 0),
    );
    expect(api.logged.join('\n')).toContain('"problem":"/report/secrets must be a list');
    await deleteObject(kube, report('ExposedSecretReport', 0));
    // An event after that of the deletion.
    const later = report('ExposedSecretReport', 0, { artifact: { digest: OTHER } });
    await apply(kube, { ...later, metadata: { name: 'later', namespace } });
    await until('a later report was read', () =>
      Promise.resolve(api.broker.parts.evidence.of(OTHER).length === 1),
    );
    expect(api.broker.parts.evidence.of(digest)).toContainEqual(
      expect.objectContaining({ kind: 'secrets', writer: 'watch:real' }),
    );
    await untilRead('ERR_POSTURE_DENIED', 'exposed_secret');
  });

  it('is for the labels of a namespace, as they are now', async () => {
    await profile({
      image: { registries: ['other/**'] },
      match: { namespaceLabels: { env: 'prod' } },
    });
    await untilRead(undefined);
    const path = `/api/v1/namespaces/${namespace}`;
    const label = (env: string | null): Promise<unknown> =>
      kubeCall(
        kube,
        'PATCH',
        path,
        { metadata: { labels: { env } } },
        'application/merge-patch+json',
      );
    await label('prod');
    await untilRead('ERR_POSTURE_DENIED', 'registry');
    await label(null);
    await untilRead(undefined);
  });

  it('requires a NetworkPolicy with egress that selects the pod', async () => {
    await profile({ pod: { networkPolicy: 'required' } });
    await untilRead('ERR_POSTURE_DENIED', 'network_policy');
    const policy = (spec: object): Manifest => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'web', namespace },
      spec,
    });
    const podSelector = { matchLabels: { app: 'web' } };
    await apply(kube, policy({ podSelector, egress: [{}] }));
    await untilRead(undefined);
    await apply(kube, policy({ podSelector: { matchLabels: { app: 'api' } }, egress: [{}] }));
    await untilRead('ERR_POSTURE_DENIED', 'network_policy');
    const matchExpressions = [{ key: 'app', operator: 'In', values: ['web', 'api'] }];
    await apply(kube, policy({ podSelector: { matchExpressions }, policyTypes: ['Egress'] }));
    await untilRead(undefined);
    await apply(kube, policy({ podSelector: {}, policyTypes: ['Ingress'] }));
    await untilRead('ERR_POSTURE_DENIED', 'network_policy');
  });
});

/** The definition as the Trivy Operator has it, without the columns for people. */
function crd(kind: string): Manifest {
  const plural = `${kind.toLowerCase()}s`;
  const schema = {
    openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind, listKind: `${kind}List` },
      versions: [{ name: 'v1alpha1', served: true, storage: true, schema }],
    },
  };
}
