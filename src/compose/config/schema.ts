import { z } from 'zod';
import { limitsConfigSchema, listenerConfigSchema, metricsConfigSchema } from '../../api/config.ts';
import { auditConfigSchema } from '../../audit/config.ts';
import { jwksConnectionSchema } from '../../auth/config.ts';
import { isName } from '../../domain/names.ts';
import { injectorConfigSchema } from '../../delivery/injector/config.ts';
import { localFileConfig } from '../../providers/embedded/config.ts';
import { vaultTransitConfig, vaultConnectionSchema } from '../../providers/vault/config.ts';
import {
  awsIamConnectionSchema,
  awsSecretsManagerConnectionSchema,
} from '../../providers/aws/config.ts';
import { kubernetesProviderConnectionSchema } from '../../providers/kubernetes/config.ts';
import { postgresConnectionSchema } from '../../providers/postgres/config.ts';
import { mysqlConnectionSchema } from '../../providers/mysql/config.ts';
import { redisConnectionSchema } from '../../providers/redis/config.ts';
import { webhookConnectionSchema } from '../../providers/webhook/config.ts';
import { storeConfigSchema } from '../../store/config.ts';

/** The embedded provider and what generates values are always there and need no configuration: their names are taken. */
const RESERVED_NAMES = ['embedded', 'generated'];

const connectionName = z
  .string()
  .refine(
    (name) => isName(name) && !RESERVED_NAMES.includes(name),
    'is not a free lower-case name',
  );

/** Broker prefixes under which mounts may use a connection: whole segments, `*` one, `**` any depth. */
const prefixes = z.array(z.string().min(1).max(512)).min(1).default(['**']);

const connection = z.union([
  z.discriminatedUnion('type', [
    vaultConnectionSchema.safeExtend({ prefixes }),
    awsSecretsManagerConnectionSchema.safeExtend({ prefixes }),
    awsIamConnectionSchema.safeExtend({ prefixes }),
    kubernetesProviderConnectionSchema.safeExtend({ prefixes }),
    postgresConnectionSchema.safeExtend({ prefixes }),
    webhookConnectionSchema.safeExtend({ prefixes }),
    mysqlConnectionSchema.safeExtend({ prefixes }),
    redisConnectionSchema.safeExtend({ prefixes }),
  ]),
  jwksConnectionSchema,
]);

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

export const configSchema = z
  .strictObject({
    /** Stamped into the store at its creation: a store of one mode is refused in the other. */
    mode: z.enum(['development', 'production']).default('production'),
    listener: listenerConfigSchema.prefault({}),
    metrics: metricsConfigSchema.prefault({}),
    store: storeConfigSchema,
    kek: z.discriminatedUnion('type', [localFileConfig, vaultTransitConfig]),
    audit: auditConfigSchema,
    connections: z.record(connectionName, connection).default({}),
    limits: limitsConfigSchema,
    /** Absent: no admission webhook is served. */
    injector: injectorConfigSchema.optional(),
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
        /** Namespaces that no mount reaches; the broker's own must be here. */
        forbiddenNamespaces: z.array(z.string().min(1)).default(['quaymaster']),
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
    ({ injector, connections }) => {
      const certificate = injector?.certificate;
      if (certificate === undefined || !('managed' in certificate)) return true;
      return connections[certificate.managed.connection]?.type === 'kubernetes';
    },
    {
      path: ['injector', 'certificate', 'managed', 'connection'],
      message: 'is not the name of a connection of type kubernetes',
    },
  );

export type Config = z.output<typeof configSchema>;
export type ConnectionConfig = Config['connections'][string];
