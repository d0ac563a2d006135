import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { checkConfig } from '../../src/program/config/load.ts';
import { settingsSchema } from '../../src/delivery/csi/settings.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { runHelm } from '../kit/backends/helm-calls.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';
import { chartFiles } from './chart-files.ts';
import { BACKUP, CHART, renderChart, templateChart, VALUES, VARIANTS } from './chart.ts';
import { only } from './manifests.ts';
import { podTemplate } from './verdicts.ts';

const variants = Object.entries(VARIANTS);
const INGRESS = { enabled: true, host: 'a.example', annotations: { 'a/ssl-passthrough': 'true' } };
const GATEWAY = { enabled: true, host: 'a.example', parentRefs: [{ name: 'b', sectionName: 'c' }] };
const RESTORE = { from: 'quaymaster-20261127T061203123Z', identitySecret: 'backup-identity' };

/** The one file of this name in the ConfigMaps. */
function fileOf(manifests: readonly Manifest[], name: string): unknown {
  const files = manifests
    .filter(({ kind }) => kind === 'ConfigMap')
    .map((map) => (map['data'] as Record<string, string>)[name])
    .filter((file) => file !== undefined);
  expect(files).toHaveLength(1);
  return load(files[0]!);
}

/** The broker's configuration file. */
function configOf(manifests: readonly Manifest[]): unknown {
  return fileOf(manifests, 'config.yaml');
}

describeWith(['helm'], 'the chart', ({ helm }) => {
  const refusal = async (values: object): Promise<string> => {
    const { code, stdout, stderr } = await templateChart(helm, values);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    return stderr;
  };

  const renders = new Map<string, ReturnType<typeof renderChart>>();

  /** The objects of a variant, rendered once for all tests. */
  async function variant(name: string): ReturnType<typeof renderChart> {
    const made = renders.get(name) ?? renderChart(helm, VARIANTS[name]!);
    renders.set(name, made);
    return made;
  }

  it('has the version of the project', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const chart = load(readFileSync(`${CHART}/Chart.yaml`, 'utf8')) as Record<string, unknown>;
    expect([chart['version'], chart['appVersion']]).toEqual([version, version]);
  });

  it('has the schema, the table of values and the plain manifests of "npm run manifests"', async () => {
    for await (const [path, text] of chartFiles(helm)) {
      expect([path, readFileSync(path, 'utf8')]).toEqual([path, text]);
    }
  });

  it.each(variants)('passes "helm lint --strict": %s', async (_, values) => {
    const { code, stdout } = await runHelm(helm, ['lint', CHART, '--strict', ...VALUES], values);
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.not.stringMatching(/WARN|ERROR/) });
  });

  it.each(variants)('makes a valid configuration of the broker: %s', async (name) => {
    const config = checkConfig(configOf(await variant(name)), 'the ConfigMap');
    expect(config.mode).toBe('production');
    expect(config.audit.origin).toBe('quaymaster.example/home');
    expect(config.kubernetes.forbiddenNamespaces).toContain('quaymaster');
  });

  it('opens the listener for clients of the Vault HTTP API beside the API, for the same peers', async () => {
    const vaultApi = { mounts: { secret: { engine: 'kv-v2' } } };
    const trustedProxies = ['10.0.0.0/8'];
    const values = { config: { vaultApi, listener: { trustedProxies } } };
    const manifests = await renderChart(helm, values);
    const { listener, vaultApi: made } = checkConfig(configOf(manifests), 'the ConfigMap');
    expect(made?.listener).toEqual({ ...listener, port: 8220 });
    const text = JSON.stringify(manifests);
    expect(text.match(/"port":8220/g)).toHaveLength(2);
    expect(text).toContain('"targetPort":"vault-api"');
    expect(JSON.stringify(await renderChart(helm, {}))).not.toContain('8220');
  });

  it.each([
    ['the authority in the TLS Secret', {}, '/etc/quaymaster-tls/ca.crt'],
    [
      'another file',
      {
        injector: {
          broker: { caFile: '/ca/ca.pem' },
          pod: { extraVolumeMounts: [{ name: 'ca', mountPath: '/ca' }] },
        },
      },
      '/ca/ca.pem',
    ],
    ['public authorities', { injector: { broker: { caFile: 'public' } } }, undefined],
    [
      'public authorities behind a proxy',
      { tls: { source: 'proxy' }, injector: { broker: { url: 'https://secrets.example' } } },
      undefined,
    ],
  ])('lets injected pods trust %s', async (_, values: object, caFile) => {
    const { injector } = values as { injector?: object };
    const own = { enabled: true, cluster: 'home', ...injector };
    const manifests = await renderChart(helm, { ...values, injector: own });
    const config = checkConfig(configOf(manifests), 'the ConfigMap');
    expect(config.injector?.broker.caFile).toBe(caFile);
  });

  it('gives the webhooks the authority of a certificate that it makes, and the broker no right over them', async () => {
    const { config } = VARIANTS[
      'custom resources, with a webhook that checks them, and alerts'
    ] as {
      config: object;
    };
    const injector = { enabled: true, cluster: 'home' };
    const manifests = await renderChart(helm, { config, injector });
    const { data } = only(manifests, 'Secret') as unknown as { data: Record<string, string> };
    const authorities = manifests
      .filter(({ kind }) => kind.endsWith('WebhookConfiguration'))
      .flatMap(({ webhooks }) => webhooks as { clientConfig: { caBundle: string } }[])
      .map(({ clientConfig }) => clientConfig.caBundle);
    expect(authorities).toEqual([data['ca.crt'], data['ca.crt']]);
    const [authority, certificate] = ['ca.crt', 'tls.crt'].map(
      (name) => new X509Certificate(Buffer.from(data[name]!, 'base64')),
    );
    expect(certificate!.verify(authority!.publicKey)).toBe(true);
    expect(certificate!.subjectAltName).toBe('DNS:quaymaster-injector.quaymaster.svc');
    expect(JSON.stringify(only(manifests, 'ClusterRole'))).not.toContain('admissionregistration');
    const checked = checkConfig(configOf(manifests), 'the ConfigMap');
    expect(checked.injector?.certificate).toHaveProperty('files');
  });

  it('gives the injector pods of its own, which have none of the ways and files of the broker', async () => {
    for (const [name, egress] of [
      ['custom resources, with a webhook that checks them, and alerts', undefined],
      [
        'the injector with a certificate of its own making',
        [
          { ports: ['UDP', 'TCP'].map((protocol) => ({ protocol, port: 53 })) },
          { ports: [443, 6443].map((port) => ({ protocol: 'TCP', port })) },
        ],
      ],
    ] as const) {
      const manifests = await variant(name);
      const injector = only(manifests, 'Deployment');
      expect(injector['spec']).toMatchObject({
        replicas: 2,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      });
      const { metadata, spec } = podTemplate(injector);
      const labels = { 'app.kubernetes.io/component': 'injector' };
      expect(metadata.labels).toMatchObject(labels);
      expect(spec['serviceAccountName']).toBe('quaymaster-injector');
      const files = JSON.stringify(spec['volumes']);
      expect(files).not.toMatch(/claimName|alert-sources/);
      // Of the broker's certificate only its authority.
      const ofSecret = (secretName: string): object[] =>
        (spec['volumes'] as { secret?: { secretName: string; items?: object[] } }[])
          .filter(({ secret }) => secret?.secretName === secretName)
          .map(({ secret }) => secret?.items ?? []);
      expect(ofSecret('quaymaster-tls')).toEqual([[{ key: 'ca.crt', path: 'ca.crt' }]]);

      const [own, ofBroker] = ['quaymaster-injector', 'quaymaster'].map(
        (policy) =>
          manifests.find(
            ({ kind, metadata: { name: each } }) => kind === 'NetworkPolicy' && each === policy,
          )!['spec'] as { podSelector: object; egress?: object[]; ingress: object[] },
      );
      expect(own?.podSelector).toMatchObject({ matchLabels: labels });
      expect(own?.egress).toEqual(egress);
      expect(JSON.stringify(own?.ingress)).toMatch(/8443.*9090/);
      expect(JSON.stringify(ofBroker?.ingress)).not.toContain('8443');
      expect(ofBroker?.podSelector).toMatchObject({
        matchExpressions: [
          { key: 'app.kubernetes.io/component', operator: 'NotIn', values: ['injector'] },
        ],
      });
      const webhook = manifests.find(
        ({ kind, metadata: { name: each } }) =>
          kind === 'Service' && each === 'quaymaster-injector',
      );
      expect(webhook?.['spec']).toMatchObject({ selector: labels });
      expect(only(manifests, 'PodDisruptionBudget')['spec']).toMatchObject({
        selector: { matchLabels: labels },
      });
    }
  });

  it('keeps the injector while a Job works in place of the broker', async () => {
    const injector = { enabled: true, cluster: 'home' };
    const manifests = await renderChart(helm, { injector, initialise: { enabled: true } });
    expect(only(manifests, 'StatefulSet')['spec']).toMatchObject({ replicas: 0 });
    expect(only(manifests, 'Deployment')['spec']).toMatchObject({ replicas: 2 });
  });

  it("accepts the broker's settings, and forbids its own namespace besides others", async () => {
    const limits = { batchItems: 7 };
    const values = { config: { limits, kubernetes: { forbiddenNamespaces: ['kube-system'] } } };
    const config = checkConfig(configOf(await renderChart(helm, values)), 'the ConfigMap');
    expect(config.limits.batchItems).toBe(7);
    expect(config.kubernetes.forbiddenNamespaces).toEqual(['kube-system', 'quaymaster']);
  });

  it('makes a valid configuration of the CSI provider, whose socket is in the directory of the host', async () => {
    const manifests = await variant('the CSI provider');
    const file = fileOf(manifests, 'csi-provider.yaml');
    const { socket, broker, cluster, health } = settingsSchema.parse(file);
    const { containers, volumes } = podTemplate(only(manifests, 'DaemonSet')).spec as unknown as {
      containers: { ports: object[]; volumeMounts: { name: string; mountPath: string }[] }[];
      volumes: { name: string; hostPath?: { path: string } }[];
    };
    const host = volumes.find(({ hostPath }) => hostPath !== undefined)!;
    expect(host.hostPath?.path).toBe('/var/run/secrets-store-csi-providers');
    const [{ volumeMounts, ports } = { volumeMounts: [], ports: [] }] = containers;
    const mount = volumeMounts.find(({ name }) => name === host.name)!;
    expect(socket).toBe(`${mount.mountPath}/quaymaster.sock`);
    expect(ports).toEqual([{ name: 'health', containerPort: health.port }]);
    expect({ url: broker.url, cluster }).toEqual({
      url: 'https://quaymaster.quaymaster.svc:8200',
      cluster: 'home',
    });
  });

  it('gives Prometheus and Grafana the rules and the dashboard of the project, and a job of its name', async () => {
    const manifests = await variant('cert-manager and Prometheus');
    const rules = load(readFileSync('deploy/prometheus/alerts.yaml', 'utf8'));
    expect(only(manifests, 'PrometheusRule')['spec']).toEqual(rules);
    const dashboard = load(readFileSync('deploy/grafana/quaymaster.json', 'utf8'));
    expect(fileOf(manifests, 'quaymaster.json')).toEqual(dashboard);
    expect(only(manifests, 'ServiceMonitor')['spec']).toMatchObject({
      jobLabel: 'app.kubernetes.io/name',
    });
  });

  it('names all objects as asked, and gives the pods annotations and variables', async () => {
    const manifests = await variant('cert-manager and Prometheus');
    const names = manifests.map(({ metadata }) => metadata.name);
    expect(names.filter((name) => !name.startsWith('secrets'))).toEqual([]);
    const pod = podTemplate(only(manifests, 'StatefulSet'));
    expect(pod).toMatchObject({
      metadata: { annotations: { 'example.com/collect': 'true' } },
      spec: { containers: [{ env: [{ name: 'TZ', value: 'UTC' }] }] },
    });
    expect(await refusal({ nameOverride: 'Secrets' })).toContain('nameOverride');
  });

  it('asks clients for a certificate, and refuses that behind a proxy', async () => {
    const clientCaFile = '/etc/quaymaster-ca/clients.crt';
    const config = checkConfig(
      configOf(await renderChart(helm, { tls: { clientCaFile } })),
      'the ConfigMap',
    );
    expect(config.listener.tls).toMatchObject({ clientAuth: 'optional', clientCaFile });
    const behindProxy = await refusal({ tls: { source: 'proxy', clientCaFile } });
    expect(behindProxy).toContain('The proxy ends TLS');
  });

  it('leads to the broker under each name, also to a console with a name of its own', async () => {
    const manifests = await variant('an Ingress, and a console with a name of its own');
    const { console: page, listener } = checkConfig(configOf(manifests), 'the ConfigMap');
    expect(page.listener).toMatchObject({ host: '0.0.0.0', port: 8230, tls: listener.tls });
    const { tls, rules } = only(manifests, 'Ingress')['spec'] as {
      tls: readonly object[];
      rules: readonly { readonly host: string; readonly http: object }[];
    };
    const hosts = ['secrets.example', 'console.example'];
    // A Secret would let the controller end TLS.
    expect(tls).toEqual([{ hosts }]);
    expect(
      rules.map(({ host, http }) => [host, /"number":(\d+)/.exec(JSON.stringify(http))?.[1]]),
    ).toEqual([
      [hosts[0], '8200'],
      [hosts[1], '8230'],
    ]);
    const { dnsNames } = only(manifests, 'Certificate')['spec'] as { dnsNames: readonly string[] };
    expect(dnsNames).toEqual(expect.arrayContaining(hosts));
    const { ingress } = only(manifests, 'NetworkPolicy')['spec'] as {
      ingress: readonly { readonly ports: readonly { readonly port: number }[] }[];
    };
    const console = ingress.find(({ ports }) => ports[0]?.port === 8230);
    expect(JSON.stringify(console)).toContain('quaymaster.dev/people');
  });

  it('lets the broker out to the systems of its configuration, and no further', async () => {
    const egressOf = (manifests: readonly Manifest[]): unknown =>
      (only(manifests, 'NetworkPolicy')['spec'] as { egress: readonly object[] }).egress.slice(2);
    const tcp = (...ports: number[]): object => ({
      ports: ports.map((port) => ({ protocol: 'TCP', port })),
    });
    const at = (cidr: string, port: number): object => ({
      to: [{ ipBlock: { cidr } }],
      ...tcp(port),
    });
    const named = await variant(
      'sqlite with systems at addresses, in other namespaces and elsewhere',
    );
    const namespace = { matchLabels: { 'kubernetes.io/metadata.name': 'vault' } };
    expect(egressOf(named)).toEqual([
      tcp(443, 6443, 6514, 8443, 5432, 9443),
      at('10.1.2.3/32', 8200),
      at('10.9.0.1/32', 9000),
      at('2001:db8::7/128', 6379),
      at('2001:db8::8/128', 6443),
      { to: [{ namespaceSelector: namespace }] },
    ]);
    expect(egressOf(await variant('sqlite'))).toEqual([tcp(443, 6443)]);
    // An empty list of ports would open all of them.
    const none = { networkPolicy: { egressPorts: [] } };
    expect(egressOf(await renderChart(helm, none))).toEqual([]);
  });

  it('lets the CSI provider and the test of the release reach the broker, wherever that is', async () => {
    const own = await variant('the CSI provider');
    const policies = own.filter(({ kind }) => kind === 'NetworkPolicy');
    expect(policies).toHaveLength(2);
    for (const { spec } of policies) {
      const text = JSON.stringify((spec as { egress: readonly object[] }).egress[1]);
      expect(text).toContain('"app.kubernetes.io/component":"broker"');
      expect(text).toContain('"port":8200');
    }
    const brokerUrl = 'https://secrets.example:9200';
    const csiProvider = { enabled: true, cluster: 'home', brokerUrl };
    const elsewhere = (await renderChart(helm, { csiProvider })).find(
      ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name.endsWith('csi-provider'),
    );
    expect((elsewhere!['spec'] as { egress: readonly object[] }).egress.slice(1)).toEqual([
      { ports: [{ protocol: 'TCP', port: 9200 }] },
    ]);
  });

  it('opens no address for the console unless it has its own', async () => {
    for (const page of [{ enabled: false, listener: {} }, { enabled: true }]) {
      const console = { ...page, origin: 'https://console.example' };
      const manifests = await renderChart(helm, { config: { console } });
      expect(JSON.stringify(manifests)).not.toContain('8230');
    }
  });

  it('lets a gateway that ends TLS verify the broker, and one that passes it through do nothing', async () => {
    const through = await variant('a Gateway that passes TLS through');
    expect(only(through, 'TLSRoute')['spec']).toMatchObject({ hostnames: ['secrets.example'] });
    const again = await variant(
      'a Gateway that encrypts again, and the console at the address of the API',
    );
    expect(only(again, 'HTTPRoute')['spec']).toMatchObject({ hostnames: ['secrets.example'] });
    expect(only(again, 'BackendTLSPolicy')['spec']).toMatchObject({
      validation: { hostname: 'quaymaster.quaymaster.svc' },
    });
    expect(through.map(({ kind }) => kind)).not.toContain('BackendTLSPolicy');
  });

  it('accepts the values of docs/install.md', async () => {
    const page = readFileSync('docs/install.md', 'utf8');
    const [, values = ''] = /values\.yaml <<'YAML'\n([^]*?)^YAML$/m.exec(page) ?? [];
    const manifests = await renderChart(helm, load(values) as object);
    expect(checkConfig(configOf(manifests), 'the ConfigMap').audit.origin).toBe(
      'quaymaster.example/prod',
    );
  });

  it('restarts the broker when its configuration changes', async () => {
    const sums = [{}, { config: { log: { level: 'debug' } } }].map(async (values) => {
      const workload = only(await renderChart(helm, values), 'StatefulSet');
      return JSON.stringify((workload['spec'] as { template: object }).template);
    });
    const [before, after] = await Promise.all(sums);
    expect(before).not.toBe(after);
  });

  it('runs only the Job while it initialises', async () => {
    for (const [name] of variants) {
      const manifests = await variant(name);
      const workload = manifests.find(({ kind }) => /^(?:StatefulSet|Deployment)$/.test(kind));
      const jobs = manifests.filter(({ kind }) => kind === 'Job');
      const { replicas } = workload!['spec'] as { replicas: number };
      expect([name, replicas === 0]).toEqual([name, jobs.length === 1]);
    }
  });

  it.each([
    ['sqlite, being initialised', []],
    ['sqlite with backups, being restored', ['api-access']],
    ['sqlite with backups on a claim, being unlocked', []],
    ['postgres with a key in Vault, being initialised', ['api-access']],
    // The webhook of EKS adds the token of the role, by the annotation of the account.
    ['sqlite with a key in AWS KMS, being initialised', []],
  ])('gives the Job what its key-encryption key needs, and no more: %s', async (name, expected) => {
    const manifests = await variant(name);
    const { spec } = podTemplate(only(manifests, 'Job'));
    const { serviceAccountName, volumes } = spec as unknown as {
      readonly serviceAccountName: string;
      readonly volumes: readonly { readonly name: string }[];
    };
    const access = volumes.filter((volume) => volume.name === 'api-access');
    expect(access.map((volume) => volume.name)).toEqual(expected);
    const account = only(manifests, 'ServiceAccount').metadata as { annotations?: object };
    expect(only(manifests, 'ServiceAccount').metadata.name).toBe(serviceAccountName);
    const { serviceAccount } = VARIANTS[name] as { serviceAccount?: { annotations: object } };
    expect(account.annotations).toEqual(serviceAccount?.annotations);
  });

  it('mounts backups and archive where the configuration has them, on claims that stay', async () => {
    const manifests = await variant('sqlite with backups, being restored');
    const { backup, audit } = checkConfig(configOf(manifests), 'the ConfigMap');
    const places = { backups: backup?.directory, archive: audit.archive?.to };
    expect(places).toEqual({
      backups: '/var/lib/quaymaster-backups',
      archive: { type: 'directory', path: '/var/lib/quaymaster-archive' },
    });
    for (const kind of ['StatefulSet', 'Job']) {
      const text = JSON.stringify(podTemplate(only(manifests, kind)));
      expect(text).toContain(`{"name":"backups","mountPath":"${backup?.directory}"}`);
      expect(text).toContain('{"name":"archive","mountPath":"/var/lib/quaymaster-archive"}');
    }
    const claims = manifests.filter(({ kind }) => kind === 'PersistentVolumeClaim');
    expect(claims.map(({ metadata }) => metadata.name).sort()).toEqual(
      ['archive', 'backups', 'data', 'keys'].map((name) => `quaymaster-${name}`),
    );
    for (const { metadata } of claims)
      expect(metadata).toMatchObject({ annotations: { 'helm.sh/resource-policy': 'keep' } });
  });

  it('shares the backups of PostgreSQL among the replicas, and keeps the copy in the pod', async () => {
    const manifests = await variant('postgres with backups, being restored');
    expect(checkConfig(configOf(manifests), 'the ConfigMap').backup).toMatchObject({
      directory: '/var/lib/quaymaster-backups',
      copyDirectory: '/var/lib/quaymaster-copy',
    });
    for (const kind of ['Deployment', 'Job']) {
      const text = JSON.stringify(podTemplate(only(manifests, kind)));
      expect(text).toContain('{"name":"copy","mountPath":"/var/lib/quaymaster-copy"}');
      expect(text).toContain('{"name":"copy","emptyDir":{}}');
    }
    const claim = manifests.find(({ metadata }) => metadata.name === 'quaymaster-backups');
    expect(claim).toMatchObject({ spec: { accessModes: ['ReadWriteMany'] } });
    // The Job fills an empty database: nothing is replaced.
    expect(JSON.stringify(only(manifests, 'Job'))).not.toContain('--replace');
  });

  it('gives only the Job of a restore the secret key of the backups', async () => {
    for (const [name, values] of variants) {
      const manifests = await variant(name);
      const holders = manifests.filter((object) => JSON.stringify(object).includes('"identity"'));
      const isRestore = 'restore' in values;
      expect([name, holders.map(({ kind }) => kind)]).toEqual([name, isRestore ? ['Job'] : []]);
    }
  });

  it.each([
    ['docs/kms-aws.md', 'aws-kms'],
    ['docs/kms-vault-transit.md', 'vault-transit'],
  ])('accepts the values of %s', async (path, type) => {
    const page = readFileSync(path, 'utf8');
    const [, values = ''] = /^## In Kubernetes$[^]*?^```yaml\n([^]*?)^```$/m.exec(page) ?? [];
    for (const initialise of [{ enabled: true }, { enabled: false }]) {
      const manifests = await renderChart(helm, { ...(load(values) as object), initialise });
      expect(checkConfig(configOf(manifests), 'the ConfigMap').kek.type).toBe(type);
    }
  });

  it('contains no secret value but the key of the certificate that it makes for the injector', async () => {
    for (const [name] of variants) {
      const secrets = (await variant(name)).filter(({ kind }) => kind === 'Secret');
      const names = secrets.map(({ metadata: { name } }) => name);
      expect(names.filter((name) => name !== 'quaymaster-injector-tls')).toEqual([]);
    }
  });

  it.each([
    ['no log origin', { config: { audit: { origin: '' } } }, /config\.audit\.origin is empty/],
    ['two replicas on SQLite', { replicas: 2 }, /replicas: 2 does not work on SQLite/],
    [
      'PostgreSQL without its Secret',
      { config: { store: { type: 'postgres' } } },
      /postgres\.secretName is empty/,
    ],
    [
      'a restore during an initialisation',
      { config: { backup: BACKUP }, restore: RESTORE, initialise: { enabled: true } },
      /initialise\.enabled and restore\.from are set/,
    ],
    [
      'a restore from a path',
      {
        config: { backup: BACKUP },
        restore: { ...RESTORE, from: '/backup/quaymaster-20261127T061203123Z.age' },
      },
      /which is not the name of a backup/,
    ],
    ['a restore without a volume of backups', { restore: RESTORE }, /config\.backup is not/],
    [
      'a restore without the secret key',
      { config: { backup: BACKUP }, restore: { from: RESTORE.from } },
      /restore\.identitySecret is empty/,
    ],
    [
      'cert-manager without an issuer',
      { tls: { source: 'cert-manager' } },
      /issuerRef\.name is empty/,
    ],
    ['two ways to the broker', { ingress: INGRESS, gateway: GATEWAY }, /Choose one way/],
    ['an Ingress without a name', { ingress: { ...INGRESS, host: '' } }, /ingress\.host is empty/],
    [
      'an Ingress that ends TLS',
      { ingress: { ...INGRESS, annotations: { 'a.example/b': 'c' } } },
      /would send tokens in plain HTTP/,
    ],
    [
      'an Ingress to plain HTTP',
      { tls: { source: 'proxy' }, ingress: INGRESS },
      /cross the cluster in plain HTTP/,
    ],
    [
      'addresses that a client could forge',
      { ingress: INGRESS, config: { listener: { trustedProxies: ['10.0.0.0/8'] } } },
      /a client could forge its address/,
    ],
    ['a route to any Gateway', { gateway: { ...GATEWAY, parentRefs: [] } }, /parentRefs is empty/],
    [
      'a route to any listener',
      { gateway: { ...GATEWAY, parentRefs: [{ name: 'public' }] } },
      /"public" has no sectionName/,
    ],
    [
      'a gateway that verifies no broker',
      { gateway: { ...GATEWAY, tls: 'reencrypt' } },
      /gateway\.caConfigMap is empty/,
    ],
    [
      'a gateway as the source of all requests',
      { gateway: { ...GATEWAY, tls: 'reencrypt', caConfigMap: 'ca' } },
      /trustedProxies is empty/,
    ],
    [
      'certificates of clients at a gateway that ends TLS',
      {
        gateway: { ...GATEWAY, tls: 'reencrypt', caConfigMap: 'ca' },
        config: { listener: { trustedProxies: ['10.0.0.0/8'] } },
        tls: { clientCaFile: '/ca.crt' },
      },
      /sees no certificate of a client/,
    ],
    [
      'a console under a name that it does not answer to',
      {
        gateway: GATEWAY,
        config: { console: { enabled: true, origin: 'https://console.example' } },
      },
      /answers to no other name/,
    ],
    [
      'a console of its own under the name of the API',
      {
        gateway: GATEWAY,
        config: { console: { enabled: true, origin: 'https://a.example', listener: {} } },
      },
      /It needs another name than the API/,
    ],
    [
      'a watch of reports that every account may write',
      { watch: { trivyReports: true } },
      /evidenceWriters is empty/,
    ],
    [
      'a CSI provider without a cluster',
      { csiProvider: { enabled: true } },
      /csiProvider\.cluster is empty/,
    ],
    [
      "a CSI provider in the broker's namespace",
      { csiProvider: { enabled: true, cluster: 'home', namespace: 'quaymaster' } },
      /csiProvider\.namespace is the broker's own/,
    ],
    [
      'an injector without a cluster',
      { injector: { enabled: true } },
      /injector\.cluster is empty/,
    ],
    [
      'an injector without a connection',
      {
        injector: {
          enabled: true,
          cluster: 'home',
          managedCertificate: true,
          connection: 'absent',
        },
      },
      /no such connection of type kubernetes/,
    ],
    [
      'an injector that has the file of an authority only in the pod of the broker',
      {
        injector: { enabled: true, cluster: 'home', clientCaFile: '/etc/ca/webhook.crt' },
        extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/ca' }],
      },
      /injector\.clientCaFile is \/etc\/ca\/webhook\.crt.*injector\.pod\.extraVolumes/,
    ],
    [
      'an injector without the credentials of its connection',
      {
        config: {
          connections: {
            home: {
              inCluster: null,
              server: 'https://10.0.0.1:6443',
              tokenFile: '/etc/home/token',
              caFile: '/etc/home/ca.crt',
            },
          },
        },
        injector: { enabled: true, cluster: 'home', managedCertificate: true },
      },
      /config\.connections\.home\.caFile is \/etc\/home\/ca\.crt/,
    ],
    [
      'an injector behind a proxy of unknown address',
      { tls: { source: 'proxy' }, injector: { enabled: true, cluster: 'home' } },
      /injector\.broker\.url is empty/,
    ],
    [
      'an injector with a certificate of an unknown authority',
      { injector: { enabled: true, cluster: 'home', certificateSecret: 'cert' } },
      /injector\.caBundle/,
    ],
  ])('refuses %s, with a remedy', async (_, values, words) => {
    expect(await refusal(values)).toMatch(words);
  });

  it.each([
    ['kek', { kek: { type: 'vault-transit', adress: 'https://vault.example' } }, /'adress' not/],
    ['kek', { kek: { type: 'vault' } }, /one of 'local-file', 'vault-transit', 'aws-kms'/],
    [
      'connection',
      { connections: { db: { type: 'postgres', host: 'a', locators: ['roles/a'] } } },
      /missing properties 'username', 'passwordFile'/,
    ],
  ])(
    'names what is wrong with the chosen kind, and no other kind: %s',
    async (_, config, words) => {
      const text = await refusal({ config });
      expect(text).toMatch(words);
      expect(text).not.toMatch(/value must be '/);
    },
  );

  it.each([
    ['an unknown value', { replicaCount: 1 }, /replicaCount/],
    ['an unknown value further in', { storage: { data: { sise: '1Gi' } } }, /sise/],
    ['a wrong type', { replicas: 'two' }, /replicas/],
    ['no such kind of TLS', { tls: { source: 'none' } }, /tls\/source/],
    ['an unknown setting of the broker', { config: { cahce: {} } }, /cahce/],
    ['a wrong type in the file', { config: { limits: { batchItems: 'x' } } }, /limits\/batchItems/],
    ['a setting that the pod decides', { config: { listener: { port: 1 } } }, /port/],
    ['a path that the pod decides', { config: { kek: { path: '/kek' } } }, /path/],
    ['a place that the pod decides', { config: { backup: { directory: '/b' } } }, /directory/],
    ['a password in the file', { config: { store: { password: 'x' } } }, /password/],
  ])('refuses %s by its schema', async (_, values, words) => {
    expect(await refusal(values)).toMatch(words);
  });
});
