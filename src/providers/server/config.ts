import * as z from 'zod';
import { guardLimitsSchema } from '../guard/config.ts';

const LOOPBACK = new Set(['localhost', '127.0.0.1', '::1']);

const file = z.string().min(1).max(4096);

const tlsFiles = z.strictObject({
  /** PEM file of the authorities; default: the root certificates of Node. */
  caFile: file.optional(),
  /** Name that the server's certificate must have, instead of `host`. */
  serverName: z.string().min(1).max(253).optional(),
  /** The broker's own certificate, for a server that demands one. */
  certFile: file.optional(),
  keyFile: file.optional(),
});

export type TlsFiles = z.infer<typeof tlsFiles>;

/** Host, login and TLS of a database server; the same for every kind of server. */
export const databaseServerFields = {
  host: z
    .string()
    .max(253)
    .regex(/^[A-Za-z0-9._:-]+$/, 'is a host name or an address'),
  username: z.string().min(1).max(128),
  /** File of the password, read at each use, so that it can change without a restart. */
  passwordFile: file,
  /** TLS settings; default: TLS, except to loopback. `off` must be explicit; even then no plain password is sent. */
  tls: z.union([z.literal('off'), tlsFiles]).optional(),
  /** Allows to send the password itself to the process that listens at the port, whichever it is; without TLS and to loopback only. */
  allowCleartextPassword: z.boolean().default(false),
  limits: guardLimitsSchema.prefault({}),
  /** Locators that rotations may change and mounts may reach. */
  locators: z.array(z.string().min(1).max(1024)).min(1),
} as const;

interface Reach {
  readonly host: string;
  readonly tls?: 'off' | TlsFiles | undefined;
}

/** Selects the TLS files. Undefined: no TLS, because it is `off` or the host is loopback. */
export function tlsFilesOf({ host, tls }: Reach): TlsFiles | undefined {
  if (tls === 'off') return undefined;
  return tls ?? (isLoopback(host) ? undefined : {});
}

/**
 * Reports whether the password itself may be sent: to a server that has proven its name, or to loopback if the configuration allows it. On loopback any
 * local process can listen at the port of a database that is down.
 */
export function maySendPassword(
  server: Reach & { readonly allowCleartextPassword: boolean },
): boolean {
  return tlsFilesOf(server) !== undefined || server.allowCleartextPassword;
}

/** Refinement of the connection of a database. */
export const cleartextOnLoopback = {
  test: (server: Reach & { readonly allowCleartextPassword: boolean }): boolean =>
    !server.allowCleartextPassword || (tlsFilesOf(server) === undefined && isLoopback(server.host)),
  refusal: {
    path: ['allowCleartextPassword'],
    message: 'is for a loopback address without TLS',
  },
};

/** Says what to configure if a login or a statement would send the password itself. */
export const CLEARTEXT_NEEDS = 'configure tls, or on loopback allowCleartextPassword: true';

/** Reports whether the name is loopback. Its address is not resolved, because it may change. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.has(host);
}
