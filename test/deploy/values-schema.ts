import { z } from 'zod';
import { configSchema } from '../../src/program/config/schema.ts';

const name = z.string();
/** Kubernetes itself checks these. */
const kubernetesObject = z.looseObject({});
const texts = z.record(z.string(), z.string());
const httpsUrl = z.string().regex(/^(?:https:\/\/.+)?$/);
const dnsName = z.string().regex(/^(?:[a-z0-9-]+(?:\.[a-z0-9-]+)*)?$/);
const port = z.int().min(1).max(65_535);
const claim = z.strictObject({ existingClaim: name, storageClassName: name, size: z.string() });
/** A claim that all pods of the broker mount. */
const sharedClaim = claim.extend({ accessMode: z.enum(['', 'ReadWriteOnce', 'ReadWriteMany']) });

const injector = z.strictObject({
  enabled: z.boolean(),
  image: z.string(),
  cluster: z.string(),
  audience: z.string().min(1),
  connection: z.string().min(1),
  broker: z.strictObject({ url: httpsUrl, caFile: z.string() }),
  clientCaFile: z.string(),
  nativeSidecars: z.enum(['auto', 'always', 'never']),
  pod: z.strictObject({
    resources: kubernetesObject,
    extraVolumes: z.array(kubernetesObject),
    extraVolumeMounts: z.array(kubernetesObject),
  }),
  resources: z
    .strictObject({
      cpuRequest: z.string(),
      memoryRequest: z.string(),
      cpuLimit: z.string(),
      memoryLimit: z.string(),
    })
    .partial(),
  certificateSecret: name,
  caBundle: z.string(),
  caFromCertManager: z.string().regex(/^(?:[^/]+\/[^/]+)?$/),
  managedCertificate: z.boolean(),
});

const customResources = z.strictObject({
  install: z.boolean(),
  protectStatus: z.boolean(),
  validate: z.boolean(),
});

const tls = z.strictObject({
  source: z.enum(['secret', 'cert-manager', 'proxy']),
  secretName: name,
  clientCaFile: z.string(),
  certManager: z.strictObject({
    issuerRef: z.strictObject({ name, kind: z.enum(['Issuer', 'ClusterIssuer']), group: name }),
    dnsNames: z.array(name),
  }),
});

const ingress = z.strictObject({
  enabled: z.boolean(),
  host: dnsName,
  className: name,
  annotations: texts,
});

const gateway = z.strictObject({
  enabled: z.boolean(),
  host: dnsName,
  parentRefs: z.array(kubernetesObject),
  tls: z.enum(['passthrough', 'reencrypt']),
  caConfigMap: name,
});

const csiProvider = z.strictObject({
  enabled: z.boolean(),
  cluster: z.string(),
  audience: z.string().min(1),
  namespace: z.string().min(1),
  providersDirectory: z.string().regex(/^\//),
  brokerUrl: httpsUrl,
  caConfigMap: name,
  resources: kubernetesObject,
});

const networkPolicy = z.strictObject({
  enabled: z.boolean(),
  apiFrom: z.array(kubernetesObject),
  consoleFrom: z.array(kubernetesObject),
  injectorFrom: z.array(kubernetesObject),
  alertsFrom: z.array(kubernetesObject),
  metricsFrom: z.array(kubernetesObject),
  egressPorts: z.array(port),
  extraEgress: z.array(kubernetesObject),
});

const image = z.strictObject({
  repository: z.string().min(1),
  tag: z.string(),
  digest: z.string().regex(/^(?:sha256:[0-9a-f]{64})?$/),
  pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']),
  pullSecrets: z.array(name),
});

/** The chart's values, without the broker's configuration file, which has a schema of its own. */
const values = z.strictObject({
  // Helm gives it to every chart that is another's dependency.
  global: kubernetesObject.optional(),
  image,
  // A Service has this name too (RFC 1035), and other names add to it.
  nameOverride: z.string().regex(/^(?:[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?)?$/),
  replicas: z.int().min(1),
  updateStrategy: z.enum(['Recreate', 'RollingUpdate']),
  initialise: z.strictObject({ enabled: z.boolean(), tokenTtl: z.string() }),
  config: kubernetesObject,
  postgres: z.strictObject({ secretName: name, key: z.string().min(1), port }),
  storage: z.strictObject({
    data: claim,
    keys: sharedClaim,
    backups: sharedClaim,
    archive: sharedClaim,
  }),
  restore: z.strictObject({
    from: z.string(),
    identitySecret: name,
    identityKey: z.string().min(1),
    options: z.array(z.string()),
  }),
  unlock: z.strictObject({ comment: z.string(), options: z.array(z.string()) }),
  tls,
  ingress,
  gateway,
  serviceAccount: z.strictObject({ annotations: texts }),
  watch: z.strictObject({
    namespaces: z.boolean(),
    networkPolicies: z.boolean(),
    trivyReports: z.boolean(),
  }),
  networkPolicy,
  serviceMonitor: z.strictObject({ enabled: z.boolean(), interval: z.string(), labels: texts }),
  prometheusRule: z.strictObject({ enabled: z.boolean(), labels: texts }),
  dashboard: z.strictObject({ enabled: z.boolean(), labels: texts }),
  injector,
  alerts: z.strictObject({ secretName: name }),
  customResources,
  evidenceWriters: z.array(z.string().regex(/^system:serviceaccount:[a-z0-9-]+:[a-z0-9.-]+$/)),
  csiProvider,
  resources: kubernetesObject,
  podAnnotations: texts,
  extraEnv: z.array(kubernetesObject),
  nodeSelector: texts,
  tolerations: z.array(kubernetesObject),
  affinity: kubernetesObject,
  topologySpreadConstraints: z.array(kubernetesObject),
  priorityClassName: name,
  extraVolumes: z.array(kubernetesObject),
  extraVolumeMounts: z.array(kubernetesObject),
});

/** Settings of the configuration file that the pod determines. */
const OWN_SETTINGS = new Set([
  'mode',
  'metrics',
  'injector',
  'listener.host',
  'listener.port',
  'listener.tls',
  'listener.plaintextBehindProxy',
  'vaultApi.listener',
  'console.listener.host',
  'console.listener.port',
  'console.listener.tls',
  'console.listener.plaintextBehindProxy',
  'store.path',
  'store.connectionStringFile',
  'kek.path',
  'audit.logKeyFile',
  'audit.checkpointFile',
  'audit.archive.to.path',
  'backup.directory',
  'backup.copyDirectory',
]);

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

/** The schema without the settings that the pod determines. */
function withoutOwn(schema: Schema, place: string): Schema {
  // The chart refuses an empty value, as in values.yaml, with its own message.
  if (place === 'audit.origin') return { anyOf: [{ const: '' }, schema] };
  const { properties, oneOf, required, ...rest } = schema;
  const inside = (key: string): string => (place === '' ? key : `${place}.${key}`);
  const kept = (key: string): boolean => !OWN_SETTINGS.has(inside(key));
  return {
    ...rest,
    ...(oneOf !== undefined && { oneOf: oneOf.map((variant) => withoutOwn(variant, place)) }),
    ...(required !== undefined && { required: required.filter(kept) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties)
          .filter(([key]) => kept(key))
          .map(([key, property]) => [key, withoutOwn(property, inside(key))]),
      ),
    }),
  };
}

/** The members by which the alternatives of the configuration differ. */
const TAGS = ['type', 'format'];

function leavesOf(schema: Schema): readonly Schema[] {
  const choices = schema.oneOf ?? schema.anyOf;
  return choices === undefined ? [schema] : choices.flatMap(leavesOf);
}

/**
 * The schema with conditions in place of alternatives that one member tells apart. Helm then says what is wrong with the chosen alternative, and not
 * what is wrong with every other.
 */
function withConditions(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withConditions);
  if (typeof node !== 'object' || node === null) return node;
  const schema = node as Schema;
  const leaves = leavesOf(schema);
  const tag = TAGS.find((key) => leaves.every(({ properties }) => properties?.[key]?.['const']));
  if (leaves.length === 1 || tag === undefined)
    return Object.fromEntries(
      Object.entries(schema).map(([key, value]) => [key, withConditions(value)]),
    );
  const rest = Object.entries(schema).filter(([key]) => key !== 'oneOf' && key !== 'anyOf');
  const names = leaves.map(({ properties }) => properties?.[tag]?.['const']);
  const byName = Map.groupBy(leaves, ({ properties }) => properties?.[tag]?.['const']);
  return {
    ...Object.fromEntries(rest),
    type: 'object',
    required: [tag],
    properties: { [tag]: { enum: [...new Set(names)] } },
    allOf: [...byName].map(([name, same]) => {
      const then = same.map(withConditions);
      return {
        if: { properties: { [tag]: { const: name } }, required: [tag] },
        then: then.length === 1 ? then[0] : { anyOf: then },
      };
    }),
  };
}

/** values.schema.json: Helm refuses violations of it by itself. */
export function valuesSchema(): object {
  const config = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' }) as Schema;
  const schema = z.toJSONSchema(values, { io: 'input' }) as Schema;
  const own = withConditions(withoutOwn(config, ''));
  return { ...schema, properties: { ...schema.properties, config: own } };
}
