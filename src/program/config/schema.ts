import { dirname, relative, resolve } from 'node:path';
import * as z from 'zod';
import {
  consoleConfigSchema,
  knowsConsoleOrigin,
  limitsConfigSchema,
  listenerConfigSchema,
  metricsConfigSchema,
} from '../../api/config.ts';
import { clusterDocumentsConfigSchema } from '../../features/custom-resources/config.ts';
import { notificationsConfigSchema } from '../../audit/sinks/config.ts';
import { alertsConfigSchema } from '../../auth/alert-sources/config.ts';
import { auditConfigSchema } from '../../audit/base/config.ts';
import {
  enrolledConnectionSchema,
  jwksConnectionSchema,
  peopleConfigSchema,
  spiffeConnectionSchema,
} from '../../auth/config.ts';
import { isName } from '../../domain/words/names.ts';
import { injectorConfigSchema } from '../../delivery/injector/config.ts';
import { backupConfigSchema } from '../../features/copies/config.ts';
import { tracesConfigSchema } from '../../process/trace/config.ts';
import { vaultApiConfigSchema } from '../../api/vault/config.ts';
import { storeConfigSchema, type StoreConfig } from '../../store/config.ts';
import { backendSchema, kekSchema } from './backends.ts';
import { EMBEDDED } from '../../domain/secrets/mount.ts';

/** Reserved names: the embedded provider and the value generator always exist and need no configuration. */
const RESERVED_NAMES = [EMBEDDED, 'generated'];

const connectionName = z
  .string()
  .refine(
    (name) => isName(name) && !RESERVED_NAMES.includes(name),
    'is not a free lower-case name',
  );

const connection = z.union([
  backendSchema,
  jwksConnectionSchema,
  spiffeConnectionSchema,
  enrolledConnectionSchema,
]);

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

export const configSchema = z
  .strictObject({
    /** Mode, which the store gets at its creation. A store of one mode is refused in the other. */
    mode: z.enum(['development', 'production']).default('production'),
    listener: listenerConfigSchema.prefault({}),
    metrics: metricsConfigSchema.prefault({}),
    console: consoleConfigSchema,
    store: storeConfigSchema,
    kek: kekSchema,
    /** A second key that wraps the same root keys: during a change of the key, or against the loss of one. */
    secondKek: kekSchema.optional(),
    /** Time for which a running broker serves while no key-encryption key works. */
    kekOutageSeconds: z
      .int()
      .min(3_600)
      .max(30 * 86_400)
      .default(3 * 86_400),
    audit: auditConfigSchema,
    /** Backups of the store. If absent, the broker makes none. */
    backup: backupConfigSchema.optional(),
    connections: z.record(connectionName, connection).default({}),
    limits: limitsConfigSchema,
    /** Traces of requests. If absent, the broker makes none. */
    traces: tracesConfigSchema.optional(),
    /** Logins of people. If absent, operators log in with tokens only. */
    people: peopleConfigSchema.optional(),
    /** Sources of runtime alerts. Without one, the broker receives none. */
    alerts: alertsConfigSchema,
    /** Receivers of notifications. Without one, the broker notifies no one. */
    notifications: notificationsConfigSchema,
    /** Admission webhook. If absent, the broker serves none. */
    injector: injectorConfigSchema.optional(),
    /** Listener for clients of the HashiCorp Vault HTTP API. If absent, there is none. */
    vaultApi: vaultApiConfigSchema.optional(),
    cache: z
      .strictObject({
        maxBytes: z
          .int()
          .min(0)
          .max(2 ** 32)
          .default(64 * 2 ** 20),
      })
      .prefault({}),
    kubernetes: z
      .strictObject({
        /** Namespaces that no mount may access. The list must include the broker's own namespace. */
        forbiddenNamespaces: z.array(z.string().min(1)).default(['quaymaster']),
        /** Clusters whose custom resources become documents. None by default. */
        documents: clusterDocumentsConfigSchema,
      })
      .prefault({}),
    log: z
      .strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']).default('info') })
      .prefault({}),
  })
  .refine(({ mode, listener }) => mode === 'production' || LOOPBACK.includes(listener.host), {
    path: ['listener', 'host'],
    message: 'development mode listens on loopback only',
  })
  .refine(
    ({ mode, vaultApi }) =>
      mode === 'production' || vaultApi === undefined || LOOPBACK.includes(vaultApi.listener.host),
    {
      path: ['vaultApi', 'listener', 'host'],
      message: 'development mode listens on loopback only',
    },
  )
  .superRefine(({ vaultApi, people }, context) => {
    for (const [mount, login] of Object.entries(vaultApi?.auth ?? {})) {
      if (!('issuer' in login) || Object.hasOwn(people?.issuers ?? {}, login.issuer)) continue;
      const path = ['vaultApi', 'auth', mount, 'issuer'];
      context.addIssue({ code: 'custom', path, message: 'is not a name in people.issuers' });
    }
  })
  .refine(
    ({ vaultApi: { shadow } = {}, connections }) =>
      shadow === undefined || connections[shadow]?.type === 'vault',
    { path: ['vaultApi', 'shadow'], message: 'is not the name of a connection of type vault' },
  )
  .refine(({ mode, console }) => mode === 'production' || isOnLoopback(console.listener?.host), {
    path: ['console', 'listener', 'host'],
    message: 'development mode listens on loopback only',
  })
  .refine(({ console, listener }) => knowsConsoleOrigin(console, listener), {
    path: ['console', 'origin'],
    message:
      'is needed: the origin under which browsers reach the console, for example https://quaymaster.example',
  })
  .refine(({ backup, store }) => !backup?.copyDirectory || store.type === 'postgres', {
    path: ['backup', 'copyDirectory'],
    message: 'is for PostgreSQL only; the copy of a SQLite store is beside it',
  })
  .refine(({ audit, kek }) => audit.logKey === undefined || kek.type !== 'local-file', {
    path: ['audit', 'logKey'],
    message:
      'needs a kek of type vault-transit or aws-kms: with a key-encryption key in a file, the log key can be beside it (audit.logKeyFile), and one leaked file then opens less',
  })
  .refine(({ audit, store }) => audit.checkpoint === undefined || store.type === 'postgres', {
    path: ['audit', 'checkpoint'],
    message:
      'is for PostgreSQL only: SQLite needs audit.checkpointFile, because the last commit is in a file beside it',
  })
  .refine(
    ({ audit: { checkpointFile: path }, store }) => path === undefined || isOutside(path, store),
    { path: ['audit', 'checkpointFile'], message: "must lie outside the store's directory" },
  )
  .refine(({ backup, store }) => backup === undefined || isOutside(backup.directory, store), {
    path: ['backup', 'directory'],
    message: "must lie outside the store's directory",
  })
  .refine(
    ({ audit: { archive }, store }) => {
      return archive?.to.type !== 'directory' || isOutside(archive.to.path, store);
    },
    {
      path: ['audit', 'archive', 'to', 'path'],
      message: "must lie outside the store's directory",
    },
  )
  .refine(
    ({ injector, connections }) => {
      const certificate = injector?.certificate;
      if (certificate === undefined || !('managed' in certificate)) return true;
      return connections[certificate.managed.connection]?.type === 'kubernetes';
    },
    {
      path: ['injector', 'certificate', 'managed', 'connection'],
      message: 'is not the name of a connection of type kubernetes',
    },
  )
  .superRefine(({ kubernetes, connections }, context) => {
    kubernetes.documents.forEach(({ connection: used }, at) => {
      if (connections[used]?.type === 'kubernetes') return;
      context.addIssue({
        code: 'custom',
        path: ['kubernetes', 'documents', at, 'connection'],
        message: 'is not the name of a connection of type kubernetes',
      });
    });
  });

function isOnLoopback(host = '127.0.0.1'): boolean {
  return LOOPBACK.includes(host);
}

/**
 * A backup on the store's volume would be lost together with the store, and a checkpoint would be restored with it, so that it could not show an old copy. The
 * broker can check only the directory.
 */
function isOutside(path: string, store: StoreConfig): boolean {
  if (store.type !== 'sqlite') return true;
  const steps = relative(dirname(resolve(store.path)), resolve(path));
  return steps.startsWith('..');
}

export type Config = z.output<typeof configSchema>;
