import * as z from 'zod';

/** Place of the store. Hosts and credentials are configured in files, never in the store itself. */
export const storeConfigSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('sqlite'),
    /** The database file. Its directory must contain nothing but the store. */
    path: z.string().min(1),
  }),
  z.strictObject({
    type: z.literal('postgres'),
    /** A file with one `postgres://…` URL. The URL contains the password, so it has its own file. `sslmode` and `sslrootcert` are supported. */
    connectionStringFile: z.string().min(1),
    /** Connections for reads. Commits use one more connection. */
    poolSize: z.int().min(1).max(100).default(8),
    /** The space available to the database on its server, which the broker cannot query. The broker warns above 80 % of it. */
    maxBytes: z.int().min(1_048_576).optional(),
  }),
]);

export type StoreConfig = z.infer<typeof storeConfigSchema>;
