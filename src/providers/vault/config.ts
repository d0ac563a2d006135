import * as z from 'zod';
import { guardLimitsSchema } from '../guard/config.ts';
import { accessKeyNames, loginKeys } from '../rotator/options.ts';

/** Engines that never hold secrets of workloads: access to them controls the server, its identities, or the broker's own token. */
const RESERVED = new Set(['sys', 'auth', 'identity', 'cubbyhole']);
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const MOUNT_PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/** Reports whether an API path or a mount path is in an engine that no connection may reach. */
function isReservedEngine(path: string): boolean {
  return RESERVED.has((path.split('/')[0] ?? '').toLowerCase());
}

/** `secret`, `teams/secret`: the mount path of an engine or a login method, without slashes at the ends. */
const vaultMountPath = z.string().max(256).regex(MOUNT_PATH, 'is not a mount path');

const filePath = z.string().min(1);

const address = z.url({ protocol: /^https?$/ }).refine((text) => {
  const url = URL.parse(text);
  if (url === null) return false;
  const isOrigin = url.pathname === '/' && url.search === '' && url.hash === '';
  const isPrivate = url.protocol === 'https:' || LOOPBACK.has(url.hostname);
  return isOrigin && isPrivate && url.username === '' && url.password === '';
}, 'is https://host[:port], or http:// on a loopback address, with nothing after it');

const locator = z
  .string()
  .min(1)
  .max(1024)
  .refine((text) => !isReservedEngine(text) && !/^[*]/.test(text), {
    message: 'names an engine by its path; never sys, auth, identity or cubbyhole',
  });

/** The login of the broker. Credentials are in files, which are read again at every login. */
const vaultAuthSchema = z.discriminatedUnion('method', [
  /** A token in a file that another process renews. */
  z.strictObject({ method: z.literal('token'), tokenFile: filePath }),
  z.strictObject({
    method: z.literal('approle'),
    mount: vaultMountPath.default('approle'),
    roleId: z.string().min(1),
    secretIdFile: filePath,
  }),
  z.strictObject({
    method: z.literal('kubernetes'),
    mount: vaultMountPath.default('kubernetes'),
    role: z.string().min(1),
    tokenFile: filePath.default('/var/run/secrets/kubernetes.io/serviceaccount/token'),
  }),
  z.strictObject({
    method: z.literal('jwt'),
    mount: vaultMountPath.default('jwt'),
    role: z.string().min(1),
    tokenFile: filePath,
  }),
]);

export type VaultAuth = z.infer<typeof vaultAuthSchema>;

/** The address of one Vault or OpenBao, and the broker's identity there. */
export const vaultServerSchema = z.strictObject({
  address,
  /** PEM file of the authorities; absent: Node's root certificates. */
  caFile: filePath.optional(),
  /** Name that the server's certificate must have, instead of the host of the address. */
  serverName: z.string().min(1).optional(),
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9._/-]+$/)
    .optional(),
  auth: vaultAuthSchema,
  limits: guardLimitsSchema.prefault({}),
});

export type VaultServer = z.infer<typeof vaultServerSchema>;

/** A connection of the configuration file. `locators` limits what mounts may reach. */
export const vaultConnectionSchema = vaultServerSchema.extend({
  type: z.literal('vault'),
  locators: z.array(locator).min(1),
});

export type VaultConnectionConfig = z.infer<typeof vaultConnectionSchema>;

const enginePath = vaultMountPath.refine((path) => !isReservedEngine(path), {
  message: 'sys, auth, identity and cubbyhole hold no secrets for workloads',
});

/** Path as the server shows it, not percent-encoded. */
const plainPath = z.string().min(1).max(1024);

const tokenRole = z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/);

/** A mount document's options. `root` confines the mount to paths below it in the engine. */
export const vaultMountOptions = z.discriminatedUnion('engine', [
  z.strictObject({ engine: z.literal('kv-v1'), path: enginePath, root: plainPath.optional() }),
  z.strictObject({ engine: z.literal('kv-v2'), path: enginePath, root: plainPath.optional() }),
  z.strictObject({
    engine: z.literal('dynamic'),
    path: enginePath,
    /** Folder in the engine that confines the mount, for example `creds` of a database engine. */
    root: plainPath.optional(),
    /** Creates the orphan token for each credential. */
    tokenRole,
  }),
]);

export type VaultMountOptions = z.infer<typeof vaultMountOptions>;

/** A definition's reference to a KV secret: its API path (`secret/data/payments/db`) and, if it means only one key, the key's name. */
export const staticRef = z.strictObject({
  path: plainPath,
  key: z.string().min(1).max(256).optional(),
});

const parameter = z.union([z.string().max(4096), z.number(), z.boolean()]);

/** A definition's reference to an endpoint that creates credentials. `data` is stored in the clear, so it must contain no secrets. */
export const dynamicRef = z.strictObject({
  path: plainPath,
  method: z.enum(['GET', 'POST']).default('GET'),
  data: z.record(z.string().regex(/^[A-Za-z0-9_]{1,64}$/), parameter).optional(),
});

export type DynamicRef = z.infer<typeof dynamicRef>;

/** The mount path of an engine. */
const engine = vaultMountPath.refine(
  (path) => !isReservedEngine(path),
  'sys, auth, identity and cubbyhole have no roles',
);
const role = z.string().regex(/^(?!\.{1,2}$)[A-Za-z0-9_.-]{1,128}$/, 'the name of a static role');

/** Options of the strategy `static-role`: a static role of a database engine. */
export const staticRoleOptions = z.strictObject({
  engine: engine.default('database'),
  role,
  keys: loginKeys,
});
export type StaticRoleOptions = z.output<typeof staticRoleOptions>;

/** Options of the strategy `aws-static-role`: a static role of an AWS engine. */
export const awsStaticRoleOptions = z.strictObject({
  engine: engine.default('aws'),
  role,
  keys: accessKeyNames,
});
export type AwsStaticRoleOptions = z.output<typeof awsStaticRoleOptions>;

/** Schema of a key-encryption key in the transit engine of a Vault or OpenBao. */
export const vaultTransitConfig = vaultServerSchema.extend({
  type: z.literal('vault-transit'),
  /** Names the server in the key's id, which is stored beside the data it wraps: never rename it. */
  connection: z.string().regex(/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/),
  mount: vaultMountPath.default('transit'),
  key: z.string().regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/),
});

export type VaultTransitConfig = z.infer<typeof vaultTransitConfig>;
