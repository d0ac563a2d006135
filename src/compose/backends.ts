import { z } from 'zod';
import type { Backend, BackendDeps } from '../ports/backend.ts';
import {
  awsIamConnectionSchema,
  awsSecretsManagerConnectionSchema,
} from '../providers/aws/config.ts';
import { kubernetesProviderConnectionSchema } from '../providers/kubernetes/config.ts';
import { mysqlConnectionSchema } from '../providers/mysql/config.ts';
import { postgresConnectionSchema } from '../providers/postgres/config.ts';
import { redisConnectionSchema } from '../providers/redis/config.ts';
import { vaultConnectionSchema } from '../providers/vault/config.ts';
import { webhookConnectionSchema } from '../providers/webhook/config.ts';

/** Broker prefixes under which mounts may use a connection. They match whole segments; `*` matches one, `**` any depth. */
const prefixes = z.array(z.string().min(1).max(512)).min(1).default(['**']);

/**
 * Every type of connection, with its schema in the configuration file and its opener. A new backend adds its folder in `src/providers` and one entry
 * here. `open` loads the backend and its library only if the configuration names it.
 */
const BACKENDS = {
  vault: {
    schema: vaultConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/vault/open.ts')).openVault,
  },
  'aws-secrets-manager': {
    schema: awsSecretsManagerConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/aws/open.ts')).openAwsSecretsManager,
  },
  'aws-iam': {
    schema: awsIamConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/aws/open.ts')).openAwsIam,
  },
  kubernetes: {
    schema: kubernetesProviderConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/kubernetes/open.ts')).openKubernetes,
  },
  postgres: {
    schema: postgresConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/postgres/open.ts')).openPostgres,
  },
  webhook: {
    schema: webhookConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/webhook/open.ts')).openWebhook,
  },
  mysql: {
    schema: mysqlConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/mysql/open.ts')).openMysql,
  },
  redis: {
    schema: redisConnectionSchema.safeExtend({ prefixes }),
    open: async () => (await import('../providers/redis/open.ts')).openRedis,
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
  // The only cast that pairs a member of the union with the opener of its own type.
  const open = (await BACKENDS[config.type].open()) as (
    name: string,
    config: BackendConfig,
    deps: BackendDeps,
  ) => Promise<Backend> | Backend;
  return open(name, config, deps);
}
