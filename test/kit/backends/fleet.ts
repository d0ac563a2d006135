import type { Running } from './footprint.ts';
import { startKube, type Kube } from './kube.ts';
import { startMariaDb, type MariaDb } from './mariadb.ts';
import { startMoto, type Moto } from './moto.ts';
import { startOpenBao, type OpenBao } from './openbao.ts';
import { findPostgres15 } from './postgres-programs.ts';
import { findPgBouncer, type PgBouncer } from './pgbouncer.ts';
import { startPostgres, type Postgres } from './postgres.ts';
import type { BackendName } from './recipe.ts';
import {
  BUILDAH,
  CHROMIUM,
  CONSUL_TEMPLATE,
  DETECT_SECRETS,
  GITLEAKS,
  GRYPE,
  GATEWAY_API,
  GO_PROGRAMS,
  GRYPE_REPORTS,
  HEADLESS_SHELL,
  HELM,
  HVAC,
  KUBECTL,
  KUBE_SCORE,
  KYVERNO,
  LITEWITNESS,
  NGINX,
  OPENAPI_TOOLS,
  POD_SECURITY,
  PROMTOOL,
  RSYSLOG,
  SCHEMATHESIS,
  SECRETLINT,
  SHELLCHECK,
  TRIVY,
  TRIVY_REPORTS,
} from './recipes.ts';
import { startRedis, type Redis } from './redis.ts';
import { startSigning, type Signing } from './signing.ts';
import { startTool, type Tool } from './tool.ts';

/** Backends by name. */
export interface Backends {
  readonly openbao: OpenBao;
  readonly kube: Kube;
  readonly moto: Moto;
  readonly postgres: Postgres;
  readonly postgres15: Postgres;
  readonly pgbouncer: PgBouncer;
  readonly mariadb: MariaDb;
  readonly redis: Redis;
  readonly chromium: Tool;
  readonly headless: Tool;
  readonly helm: Tool;
  readonly promtool: Tool;
  readonly shellcheck: Tool;
  readonly buildah: Tool;
  readonly schemathesis: Tool;
  readonly openapitools: Tool;
  readonly detectsecrets: Tool;
  readonly secretlint: Tool;
  readonly gitleaks: Tool;
  readonly podsecurity: Tool;
  readonly trivyreports: Tool;
  readonly grypereports: Tool;
  readonly gatewayapi: Tool;
  readonly hvac: Tool;
  readonly consultemplate: Tool;
  readonly litewitness: Tool;
  readonly rsyslog: Tool;
  readonly nginx: Tool;
  readonly cosign: Signing;
  readonly grype: Tool;
  readonly trivy: Tool;
  readonly kubectl: Tool;
  readonly kubescore: Tool;
  readonly kyverno: Tool;
  readonly goprograms: Tool;
}

type Starters = {
  readonly [Name in BackendName]: (options: {
    readonly keep: boolean;
  }) => Promise<Running<Backends[Name]>>;
};

const START: Starters = {
  openbao: startOpenBao,
  kube: startKube,
  moto: startMoto,
  postgres: startPostgres,
  postgres15: ({ keep }) => startPostgres({ keep, programs: findPostgres15() }),
  pgbouncer: findPgBouncer,
  mariadb: startMariaDb,
  redis: startRedis,
  chromium: () => startTool(CHROMIUM),
  headless: () => startTool(HEADLESS_SHELL),
  helm: () => startTool(HELM),
  promtool: () => startTool(PROMTOOL),
  shellcheck: () => startTool(SHELLCHECK),
  buildah: () => startTool(BUILDAH),
  schemathesis: () => startTool(SCHEMATHESIS),
  openapitools: () => startTool(OPENAPI_TOOLS),
  detectsecrets: () => startTool(DETECT_SECRETS),
  secretlint: () => startTool(SECRETLINT),
  gitleaks: () => startTool(GITLEAKS),
  podsecurity: () => startTool(POD_SECURITY),
  trivyreports: () => startTool(TRIVY_REPORTS),
  grypereports: () => startTool(GRYPE_REPORTS),
  gatewayapi: () => startTool(GATEWAY_API),
  hvac: () => startTool(HVAC),
  consultemplate: () => startTool(CONSUL_TEMPLATE),
  litewitness: () => startTool(LITEWITNESS),
  rsyslog: () => startTool(RSYSLOG),
  nginx: () => startTool(NGINX),
  cosign: startSigning,
  grype: () => startTool(GRYPE),
  trivy: () => startTool(TRIVY),
  kubectl: () => startTool(KUBECTL),
  kubescore: () => startTool(KUBE_SCORE),
  kyverno: () => startTool(KYVERNO),
  goprograms: () => startTool(GO_PROGRAMS),
};

/** Starts the named backends one after another. If one fails, stops those already started. */
export async function startFleet(
  names: readonly BackendName[],
  keep: boolean,
): Promise<Partial<Backends>> {
  const started: [BackendName, Running<Backends[BackendName]>][] = [];
  try {
    for (const name of names) started.push([name, await START[name]({ keep })]);
  } catch (error) {
    for (const [, backend] of started) await backend.stop();
    throw error;
  }
  return Object.fromEntries(started);
}
