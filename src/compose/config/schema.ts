import { z } from 'zod';
import { limitsConfigSchema, listenerConfigSchema, metricsConfigSchema } from '../../api/config.ts';
import { auditConfigSchema } from '../../audit/config.ts';
import { jwksConnectionSchema } from '../../auth/config.ts';
import { isName } from '../../domain/names.ts';
import { injectorConfigSchema } from '../../delivery/injector/config.ts';
import { localFileConfig } from '../../providers/embedded/config.ts';
import { vaultTransitConfig } from '../../providers/vault/config.ts';
import { storeConfigSchema } from '../../store/config.ts';
import { backendSchema } from '../backends.ts';

/** The embedded provider and what generates values are always there and need no configuration: their names are taken. */
const RESERVED_NAMES = ['embedded', 'generated'];

const connectionName = z
  .string()
  .refine(
    (name) => isName(name) && !RESERVED_NAMES.includes(name),
    'is not a free lower-case name',
  );

const connection = z.union([backendSchema, jwksConnectionSchema]);

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
