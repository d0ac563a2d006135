import { z } from 'zod';
import { guardLimitsSchema } from '../guard/config.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

const file = z.string().min(1).max(4096);

const tlsFiles = z.strictObject({
  /** PEM; absent: the roots that come with Node. */
  caFile: file.optional(),
  /** Checked in the server's certificate instead of `host`. */
  serverName: z.string().min(1).max(253).optional(),
  /** Who we are, where the server asks for a certificate too. */
  certFile: file.optional(),
  keyFile: file.optional(),
});

export type TlsFiles = z.infer<typeof tlsFiles>;

/** How a database server is reached, and as whom: the same for all that hold users of their own. */
export const databaseServerFields = {
  host: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9._:-]+$/, 'is a host name or an address'),
  username: z.string().min(1).max(128),
  /** Read again at each use, so that the password can be changed. */
  passwordFile: file,
  /** Absent: with TLS, except to loopback. `off` is to be written; even then no password is sent in the clear. */
  tls: z.union([z.literal('off'), tlsFiles]).optional(),
  limits: guardLimitsSchema.prefault({}),
  /** What rotations may change and mounts may reach through it. */
  locators: z.array(z.string().min(1).max(1024)).min(1),
} as const;

interface Reach {
  readonly host: string;
  readonly tls?: 'off' | TlsFiles | undefined;
}

/** Undefined: no TLS, because the file says so or because nobody is in between. */
export function tlsFilesOf({ host, tls }: Reach): TlsFiles | undefined {
  if (tls === 'off') return undefined;
  return tls ?? (isLoopback(host) ? undefined : {});
}

/** By its name alone: what it resolves to may change. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}
