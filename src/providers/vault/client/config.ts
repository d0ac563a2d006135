import { z } from 'zod';
import { guardLimitsSchema } from '../../guard/config.ts';

/** Engines that are never a place of secrets for workloads: whoever reaches them wields the server, its identities, or the broker's own token. */
const RESERVED = new Set(['sys', 'auth', 'identity', 'cubbyhole']);
const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]']);
const MOUNT_PATH = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/;

/** Whether an API path or a mount path lies in an engine that no connection reaches. */
export function isReservedEngine(path: string): boolean {
  return RESERVED.has((path.split('/')[0] ?? '').toLowerCase());
}

/** `secret`, `teams/secret`: where an engine or a login method is mounted, without slashes at the ends. */
export const vaultMountPath = z.string().max(256).regex(MOUNT_PATH, 'is not a mount path');

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

/** How the broker logs in. Credentials are in files, which are read again at every login. */
const vaultAuthSchema = z.discriminatedUnion('method', [
  /** A token that something else keeps fresh in a file. */
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

/** How to reach one Vault or OpenBao, and as whom. */
export const vaultServerSchema = z.strictObject({
  address,
  /** PEM; absent: the roots that come with Node. */
  caFile: filePath.optional(),
  /** Checked in the server's certificate instead of the host of the address. */
  serverName: z.string().min(1).optional(),
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9._/-]+$/)
    .optional(),
  auth: vaultAuthSchema,
  limits: guardLimitsSchema.prefault({}),
});

export type VaultServer = z.infer<typeof vaultServerSchema>;

/** A connection of the configuration file. `locators` bounds what mounts may reach through it. */
export const vaultConnectionSchema = vaultServerSchema.extend({
  type: z.literal('vault'),
  locators: z.array(locator).min(1),
});

export type VaultConnectionConfig = z.infer<typeof vaultConnectionSchema>;
