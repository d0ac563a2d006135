import { z } from 'zod';

/** Where the store is. What names hosts and credentials lives in files, never in the store itself. */
export const storeConfigSchema = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('sqlite'),
    /** The database file; its directory belongs to the store alone. */
    path: z.string().min(1),
  }),
  z.strictObject({
    type: z.literal('postgres'),
    /** Holds one `postgres://…` URL: it has the password, so it is a file of its own. `sslmode` and `sslrootcert` are honoured. */
    connectionStringFile: z.string().min(1),
    /** Connections for reads; commits have one more of their own. */
    poolSize: z.int().min(1).max(100).default(8),
    /** What the database may take up at its server, which the broker cannot ask for: beyond 80 % of it the broker warns. */
    maxBytes: z.int().min(1_048_576).optional(),
  }),
]);

export type StoreConfig = z.infer<typeof storeConfigSchema>;
