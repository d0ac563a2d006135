import { z } from 'zod';
import { isReservedEngine, vaultMountPath } from './client/config.ts';

const enginePath = vaultMountPath.refine((path) => !isReservedEngine(path), {
  message: 'sys, auth, identity and cubbyhole hold no secrets for workloads',
});

/** A path as the server shows it, not percent-encoded. */
const plainPath = z.string().min(1).max(1024);

const tokenRole = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/);

/** A mount document's options. `root` confines the mount to what lies below it in the engine. */
export const vaultMountOptions = z.discriminatedUnion('engine', [
  z.strictObject({ engine: z.literal('kv-v1'), path: enginePath, root: plainPath.optional() }),
  z.strictObject({ engine: z.literal('kv-v2'), path: enginePath, root: plainPath.optional() }),
  z.strictObject({
    engine: z.literal('dynamic'),
    path: enginePath,
    /** For example `creds` of a database engine. */
    root: plainPath.optional(),
    /** Makes the orphan token that each credential hangs on. */
    tokenRole,
  }),
]);

export type VaultMountOptions = z.infer<typeof vaultMountOptions>;

/** A definition's reference to a KV secret: its API path (`secret/data/payments/db`) and, where only one key is meant, its name. */
export const staticRef = z.strictObject({
  path: plainPath,
  key: z.string().min(1).max(256).optional(),
});

const parameter = z.union([z.string().max(4096), z.number(), z.boolean()]);

/** A definition's reference to an endpoint that makes credentials. `data` is stored in the clear: no secrets in it. */
export const dynamicRef = z.strictObject({
  path: plainPath,
  method: z.enum(['GET', 'POST']).default('GET'),
  data: z.record(z.string().regex(/^[A-Za-z0-9_]{1,64}$/), parameter).optional(),
});

export type DynamicRef = z.infer<typeof dynamicRef>;
