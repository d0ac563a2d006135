import * as z from 'zod';
import type { Backend, BackendDeps } from '../../ports/backend.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KeyEncryptionKey } from '../../ports/key-encryption-key.ts';
import {
  awsKmsConfig,
  awsIamConnectionSchema,
  awsSecretsManagerConnectionSchema,
} from '../../providers/aws/config.ts';
import { localFileConfig } from '../../providers/embedded/config.ts';
import { kubernetesProviderConnectionSchema } from '../../providers/kubernetes/config.ts';
import { mysqlConnectionSchema } from '../../providers/mysql/config.ts';
import { postgresConnectionSchema } from '../../providers/postgres/config.ts';
import { redisConnectionSchema } from '../../providers/redis/config.ts';
import { vaultConnectionSchema, vaultTransitConfig } from '../../providers/vault/config.ts';
import { webhookConnectionSchema } from '../../providers/webhook/config.ts';

/** Broker prefixes under which mounts may use a connection. They match whole segments; `*` matches one, `**` any depth. */
const prefixes = z.array(z.string().min(1).max(512)).min(1).default(['**']);

/**
 * Every type of connection, with its schema in the configuration file and its opener. A new backend adds its folder in `src/providers` and one entry
 * here, and one in `KEKS` if it has a key-encryption key. `open` loads the backend and its library only if the configuration names it.
 */
const BACKENDS = {
  vault: {
    schema: vaultConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/vault/open.ts')).openVault,
  },
  'aws-secrets-manager': {
    schema: awsSecretsManagerConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/aws/open.ts')).openAwsSecretsManager,
  },
  'aws-iam': {
    schema: awsIamConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/aws/open.ts')).openAwsIam,
  },
  kubernetes: {
    schema: kubernetesProviderConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/kubernetes/open.ts')).openKubernetes,
  },
  postgres: {
    schema: postgresConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/postgres/open.ts')).openPostgres,
  },
  webhook: {
    schema: webhookConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/webhook/open.ts')).openWebhook,
  },
  mysql: {
    schema: mysqlConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/mysql/open.ts')).openMysql,
  },
  redis: {
    schema: redisConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../../providers/redis/open.ts')).openRedis,
  },
} satisfies { readonly [T in string]: Entry<T> };

interface Entry<T extends string> {
  readonly schema: z.ZodType<{ readonly type: T }>;
  open(): Promise<(name: string, config: never, deps: BackendDeps) => Promise<Backend> | Backend>;
}

type Schema = (typeof BACKENDS)[keyof typeof BACKENDS]['schema'];

/** One connection of the configuration file, of any backend. */
export const backendSchema = z.discriminatedUnion(
  'type',
  Object.values(BACKENDS).map(({ schema }) => schema) as [Schema, ...Schema[]],
);

export type BackendConfig = z.output<typeof backendSchema>;

/** Opens one connection without sending anything. @throws ERR_CONFIG_INVALID */
export async function openBackend(
  name: string,
  config: BackendConfig,
  deps: BackendDeps,
): Promise<Backend> {
  // The cast pairs a member of the union with the opener of its own type.
  const open = (await BACKENDS[config.type].open()) as (
    name: string,
    config: BackendConfig,
    deps: BackendDeps,
  ) => Promise<Backend> | Backend;
  return open(name, config, deps);
}

interface KekDeps {
  readonly clock: Clock;
  /** The directory of the store's files, and so of its backups; undefined for a database server. A key file must be outside it. */
  readonly dataDirectory: string | undefined;
}

/** Types of key-encryption keys. */
const KEKS = {
  'local-file': {
    schema: localFileConfig,
    open: async ({ path }: z.output<typeof localFileConfig>, { dataDirectory }: KekDeps) =>
      (await import('../../providers/embedded/kek.ts')).loadLocalFileKey({ path, dataDirectory }),
  },
  'vault-transit': {
    schema: vaultTransitConfig,
    open: async (config: z.output<typeof vaultTransitConfig>, { clock }: KekDeps) =>
      (await import('../../providers/vault/kek.ts')).openVaultTransitKey(config, clock),
  },
  'aws-kms': {
    schema: awsKmsConfig,
    open: async (config: z.output<typeof awsKmsConfig>, { clock }: KekDeps) =>
      (await import('../../providers/aws/kek.ts')).openAwsKmsKey(config, clock),
  },
};

export const kekSchema = z.discriminatedUnion('type', [
  KEKS['local-file'].schema,
  KEKS['vault-transit'].schema,
  KEKS['aws-kms'].schema,
]);

export type KekConfig = z.output<typeof kekSchema>;

/** @throws ERR_CONFIG_INVALID, ERR_SEALED */
export function openKek(config: KekConfig, deps: KekDeps): Promise<KeyEncryptionKey> {
  // As in `openBackend`, the cast pairs a member of the union with the opener of its own type.
  const open = KEKS[config.type].open as (
    config: KekConfig,
    deps: KekDeps,
  ) => Promise<KeyEncryptionKey>;
  return open(config, deps);
}
