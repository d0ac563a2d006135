import { runHelm } from '../kit/backends/helm-calls.ts';
import type { ToolOutcome } from '../kit/backends/run-tool.ts';
import type { Tool } from '../kit/backends/tool.ts';
import type { Manifest } from '../kit/backends/kube-apply.ts';
import { parseManifests } from './manifests.ts';

export const CHART = 'deploy/helm/quaymaster';

/** The required values of the chart, overridden by the values that a test passes on standard input. */
export const VALUES = ['--values', 'deploy/helm/plain.values.yaml', '--values', '-'] as const;

const INJECTOR = { enabled: true, cluster: 'home' };

/** The section `backup` of the configuration. */
export const BACKUP = {
  recipients: ['age1cy0su9fwf3gf9mw868g5yut09p6nytfmmnktexz2ya5uqg9vl9sss4euqm'],
  intervalHours: 24,
};

const TRANSIT = {
  type: 'vault-transit',
  address: 'https://vault.example:8200',
  connection: 'vault',
  key: 'quaymaster',
  auth: { method: 'kubernetes', role: 'quaymaster' },
};

/** Values with which no key and no checkpoint is in a file. */
export const WITHOUT_FILES = {
  config: {
    store: { type: 'postgres' },
    kek: TRANSIT,
    audit: {
      logKey: 'store',
      checkpoint: {
        type: 's3',
        bucket: 'checkpoints',
        prefix: 'quaymaster/prod',
        region: 'eu-central-1',
        endpoint: 'https://s3.example:9443',
      },
    },
  },
  postgres: { secretName: 'store' },
};

const ACCOUNT = { username: 'quaymaster', passwordFile: '/etc/accounts/password' };

const GATEWAY = [{ name: 'public', namespace: 'gateways', sectionName: 'tls' }];

/** Values that change the rendered objects, each by its name. */
export const VARIANTS: Readonly<Record<string, object>> = {
  sqlite: {},
  'sqlite, being initialised': { initialise: { enabled: true } },
  'sqlite behind a proxy, on claims of its own': {
    tls: { source: 'proxy' },
    storage: { data: { existingClaim: 'store' }, keys: { existingClaim: 'keys' } },
    networkPolicy: {
      apiFrom: [],
      metricsFrom: [],
      extraEgress: [{ ports: [{ protocol: 'TCP', port: 6379 }] }],
    },
  },
  'sqlite without a NetworkPolicy, with files of connections': {
    networkPolicy: { enabled: false },
    extraVolumes: [{ name: 'vault', secret: { secretName: 'vault-approle' } }],
    extraVolumeMounts: [{ name: 'vault', mountPath: '/etc/quaymaster-vault', readOnly: true }],
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ key: 'secrets', operator: 'Exists' }],
    image: { digest: `sha256:${'a'.repeat(64)}`, pullSecrets: ['registry'] },
  },
  'sqlite with an archive of the log on a claim': {
    config: {
      audit: {
        archive: {
          to: { type: 'directory' },
          keepDays: 90,
          intervalHours: 24,
        },
      },
    },
    storage: { archive: { existingClaim: 'audit-archive' } },
  },
  'sqlite with backups, being restored': {
    config: {
      backup: BACKUP,
      audit: { archive: { to: { type: 'directory' } } },
      kek: TRANSIT,
    },
    restore: { from: 'quaymaster-20261127T061203123Z', identitySecret: 'backup-identity' },
  },
  'postgres with backups, being restored': {
    config: { store: { type: 'postgres' }, backup: BACKUP },
    postgres: { secretName: 'database' },
    replicas: 2,
    restore: { from: 'quaymaster-20261127T061203123Z', identitySecret: 'backup-identity' },
  },
  'sqlite with backups on a claim, being unlocked': {
    config: {
      backup: BACKUP,
      audit: {
        archive: {
          to: { type: 's3', bucket: 'company-audit', prefix: 'prod', region: 'eu-central-1' },
        },
      },
    },
    storage: { backups: { existingClaim: 'backups' } },
    unlock: { comment: 'restored, INC-12', options: ['--apply-removals', '/mnt/newer'] },
  },
  'sqlite with a listener for clients of the Vault HTTP API': {
    config: {
      vaultApi: {
        mounts: { secret: { engine: 'kv-v2', prefix: 'payments' } },
        auth: { kubernetes: { cluster: 'home' } },
      },
    },
  },
  'sqlite with systems at addresses, in other namespaces and elsewhere': {
    config: {
      audit: {
        sinks: [
          { type: 'syslog', host: 'logs.example' },
          { type: 'http', url: 'https://collector.example:8443/in' },
        ],
        archive: {
          to: {
            type: 's3',
            bucket: 'logs',
            region: 'eu-central-1',
            endpoint: 'http://10.9.0.1:9000',
          },
        },
      },
      kek: { ...TRANSIT, address: 'https://bao.vault.svc.cluster.local:8200' },
      traces: { endpoint: 'http://127.0.0.1:4318/v1/traces' },
      notifications: {
        pager: { format: 'quaymaster', url: 'https://hooks.example', secretFile: '/s' },
      },
      people: { issuers: { corp: { issuerUrl: 'https://login.example:9443', clientId: 'q' } } },
      connections: {
        vault: {
          type: 'vault',
          address: 'https://10.1.2.3:8200',
          auth: { method: 'kubernetes', role: 'quaymaster' },
          locators: ['secret'],
        },
        db: { ...ACCOUNT, type: 'postgres', host: 'db.example', locators: ['roles/app'] },
        cache: { ...ACCOUNT, type: 'redis', host: '2001:db8::7', locators: ['users/app'] },
        second: {
          type: 'kubernetes',
          server: 'https://[2001:db8::8]:6443',
          caFile: '/etc/second/ca.crt',
          tokenFile: '/etc/second/token',
        },
      },
    },
  },
  postgres: {
    replicas: 3,
    config: { store: { type: 'postgres', poolSize: 4 } },
    postgres: { secretName: 'store' },
  },
  'postgres with a key in Vault, being initialised': {
    replicas: 2,
    updateStrategy: 'RollingUpdate',
    initialise: { enabled: true },
    config: { store: { type: 'postgres' }, kek: TRANSIT },
    postgres: { secretName: 'store', port: 6432 },
  },
  'sqlite with a key in AWS KMS, being initialised': {
    initialise: { enabled: true },
    config: {
      kek: {
        type: 'aws-kms',
        connection: 'prod',
        region: 'eu-central-1',
        keyId: 'arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab',
      },
    },
    serviceAccount: {
      annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/quaymaster' },
    },
    networkPolicy: {
      extraEgress: [
        {
          to: [{ ipBlock: { cidr: '169.254.170.23/32' } }],
          ports: [{ protocol: 'TCP', port: 80 }],
        },
      ],
    },
  },
  'postgres without a volume of keys, being initialised': {
    replicas: 2,
    initialise: { enabled: true },
    ...WITHOUT_FILES,
  },
  'postgres without a volume of keys': {
    replicas: 2,
    ...WITHOUT_FILES,
  },
  'postgres without a volume of keys, being unlocked': {
    replicas: 2,
    unlock: { comment: 'restored, INC-12' },
    ...WITHOUT_FILES,
  },
  'postgres without a volume of keys and with backups of one replica, being restored': {
    ...WITHOUT_FILES,
    config: { ...WITHOUT_FILES.config, backup: BACKUP },
    storage: { backups: { accessMode: 'ReadWriteOnce' } },
    restore: { from: 'quaymaster-20261127T061203123Z', identitySecret: 'backup-identity' },
  },
  'cert-manager and Prometheus': {
    tls: {
      source: 'cert-manager',
      certManager: { issuerRef: { name: 'ca' }, dnsNames: ['q.test'] },
    },
    serviceMonitor: { enabled: true, labels: { release: 'prometheus' } },
    prometheusRule: { enabled: true, labels: { release: 'prometheus' } },
    dashboard: { enabled: true },
    nameOverride: 'secrets',
    podAnnotations: { 'example.com/collect': 'true' },
    extraEnv: [{ name: 'TZ', value: 'UTC' }],
  },
  'an Ingress, and a console with a name of its own': {
    tls: { source: 'cert-manager', certManager: { issuerRef: { name: 'ca' } } },
    config: {
      console: { enabled: true, origin: 'https://console.example:8443', listener: {} },
    },
    ingress: {
      enabled: true,
      host: 'secrets.example',
      className: 'haproxy',
      annotations: { 'haproxy.org/ssl-passthrough': 'true' },
    },
    networkPolicy: {
      consoleFrom: [{ namespaceSelector: { matchLabels: { 'quaymaster.dev/people': 'true' } } }],
    },
  },
  'a Gateway that passes TLS through': {
    gateway: { enabled: true, host: 'secrets.example', parentRefs: GATEWAY },
  },
  'a Gateway that encrypts again, and the console at the address of the API': {
    config: {
      console: { enabled: true, origin: 'https://secrets.example' },
      listener: { trustedProxies: ['10.0.7.0/24'] },
    },
    gateway: {
      enabled: true,
      host: 'secrets.example',
      parentRefs: GATEWAY,
      tls: 'reencrypt',
      caConfigMap: 'quaymaster-ca',
    },
  },
  'the injector with a certificate of its own making': {
    injector: {
      ...INJECTOR,
      managedCertificate: true,
      nativeSidecars: 'always',
      resources: { memoryLimit: '128Mi' },
    },
    networkPolicy: { injectorFrom: [{ ipBlock: { cidr: '10.0.0.1/32' } }] },
  },
  'the injector with a certificate of cert-manager': {
    injector: {
      ...INJECTOR,
      certificateSecret: 'injector-tls',
      caFromCertManager: 'quaymaster/injector',
      clientCaFile: '/etc/quaymaster-ca/webhook-clients.crt',
      broker: { url: 'https://secrets.example', caFile: '/etc/quaymaster-ca/ca.crt' },
      pod: {
        extraVolumes: [{ name: 'ca', secret: { secretName: 'authorities' } }],
        extraVolumeMounts: [{ name: 'ca', mountPath: '/etc/quaymaster-ca', readOnly: true }],
      },
    },
  },
  'custom resources, with a webhook that checks them, and alerts': {
    config: {
      kubernetes: {
        documents: [
          {
            cluster: 'home',
            connection: 'home',
            clusterKinds: ['Mount', 'PostureProfile', 'ResponseRule'],
            namespaces: [{ name: 'shop', prefixes: ['kv/shop'] }],
          },
        ],
      },
    },
    injector: INJECTOR,
    watch: { trivyReports: true },
    evidenceWriters: ['system:serviceaccount:trivy-system:trivy-operator'],
    alerts: { secretName: 'alert-sources' },
    networkPolicy: {
      apiFrom: [{ namespaceSelector: { matchLabels: { 'quaymaster.dev/client': 'true' } } }],
      alertsFrom: [
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'falco' } } },
      ],
    },
  },
  'the CSI provider': {
    csiProvider: { enabled: true, cluster: 'home', caConfigMap: 'quaymaster-ca' },
  },
};

/** The name and namespace of the release. */
export interface Release {
  readonly name: string;
  readonly namespace: string;
}

const RELEASE: Release = { name: 'quaymaster', namespace: 'quaymaster' };

/** The result of Helm for the chart with these values over the minimal ones. */
export function templateChart(
  helm: Tool,
  values: object,
  { name, namespace }: Release = RELEASE,
): Promise<ToolOutcome> {
  return runHelm(helm, ['template', name, CHART, '--namespace', namespace, ...VALUES], values);
}

/** The chart's objects. @throws with Helm's text when it refuses the values. */
export async function renderChart(
  helm: Tool,
  values: object,
  release?: Release,
): Promise<readonly Manifest[]> {
  const { code, stdout, stderr } = await templateChart(helm, values, release);
  if (code !== 0) throw new Error(stderr);
  return parseManifests(stdout);
}
