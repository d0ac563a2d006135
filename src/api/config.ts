import * as z from 'zod';
import { parseCidr } from '../domain/network/cidr.ts';

const port = z.int().min(0).max(65_535);
const cidr = z.string().refine((text) => parseCidr(text) !== undefined, 'is not a CIDR block');
const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

const tls = z
  .strictObject({
    /** PEM file of the certificate chain, leaf first. Read again when it changes, so a renewed certificate needs no restart. */
    certificateFile: z.string().min(1),
    /** PEM file of the private key; ECDSA P-256 costs the least per handshake. */
    keyFile: z.string().min(1),
    /** PEM file of the authorities of client certificates. Read again when it changes. */
    clientCaFile: z.string().min(1).optional(),
    /** `optional`: a client without a verified certificate may log in with a token. `required`: its handshake fails. */
    clientAuth: z.enum(['optional', 'required']).optional(),
  })
  .refine(
    ({ clientCaFile, clientAuth }) => (clientCaFile === undefined) === (clientAuth === undefined),
    { path: ['clientAuth'], message: 'needs clientCaFile, and clientCaFile needs it' },
  );

interface Reachable {
  readonly tls?: unknown;
  readonly host: string;
  readonly plaintextBehindProxy: boolean;
}

function isPrivate({ tls: files, host, plaintextBehindProxy }: Reachable): boolean {
  return files !== undefined || plaintextBehindProxy || LOOPBACK.has(host);
}

const PLAIN_HTTP = {
  path: ['tls'],
  message:
    'plain HTTP is served on loopback only: give "tls", or set "plaintextBehindProxy: true" when a proxy in front ends TLS',
};

/** The API listener: TLS 1.3, or plain HTTP on loopback or behind a proxy that the operator trusts. */
export const listenerConfigSchema = z
  .strictObject({
    host: z.string().min(1).default('127.0.0.1'),
    port: port.default(8200),
    tls: tls.optional(),
    plaintextBehindProxy: z.boolean().default(false),
    /** Peers whose `X-Forwarded-For` is trusted. The source is its rightmost address that is not one of these peers. */
    trustedProxies: z.array(cidr).max(100).default([]),
    maxConnections: z.int().min(1).max(100_000).default(20_000),
    maxConnectionsPerAddress: z.int().min(1).max(100_000).default(1_000),
  })
  .refine(isPrivate, PLAIN_HTTP);

/** The source addresses of requests are those of the API's listener, so the console's own listener has no proxies of its own. */
const consoleListenerSchema = z
  .strictObject(listenerConfigSchema.shape)
  .omit({ trustedProxies: true })
  .refine(isPrivate, PLAIN_HTTP);

function isConsoleOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url?.origin !== text) return false;
  return url.protocol === 'https:' || LOOPBACK.has(url.hostname.replaceAll(/[[\]]/g, ''));
}

/** The web console. */
export const consoleConfigSchema = z
  .strictObject({
    enabled: z.boolean().default(false),
    /** Origin under which browsers reach the console, for example `https://quaymaster.example`. Not needed on loopback. */
    origin: z
      .string()
      .refine(isConsoleOrigin, 'is https://<host>, or http://localhost, with a port or without')
      .optional(),
    /** An address of its own. If absent, the console is at the address of the API, under `/console/`. */
    listener: consoleListenerSchema.optional(),
  })
  .prefault({});

export type ConsoleConfig = z.output<typeof consoleConfigSchema>;

/** Reports whether browsers reach the console by a name that the broker knows: one of loopback, or the configured origin. */
export function knowsConsoleOrigin(
  { enabled, origin, listener }: ConsoleConfig,
  api: Reachable,
): boolean {
  const { host, plaintextBehindProxy } = listener ?? api;
  return !enabled || origin !== undefined || (LOOPBACK.has(host) && !plaintextBehindProxy);
}

/** A separate address for `/metrics`, without a token. If absent, the API serves it to operators. */
export const metricsConfigSchema = z.strictObject({
  listener: z.strictObject({ host: z.string().min(1).default('127.0.0.1'), port }).optional(),
});

const rate = (perSecond: number, burst: number) =>
  z
    .strictObject({
      perSecond: z.number().positive().max(1_000_000).default(perSecond),
      burst: z.int().positive().max(10_000_000).default(burst),
    })
    .prefault({});

/** Limits on the resources that callers can use. */
export const limitsConfigSchema = z
  .strictObject({
    /** Items of one batch. */
    batchItems: z.int().min(1).max(1_000).default(100),
    leasesPerWorkload: z.int().min(1).max(1_000_000).default(1_000),
    /** Limit of live sessions of one pod: an agent has one, and each restart of a container may leave one behind. */
    sessionsPerPod: z.int().min(1).max(1_000_000).default(50),
    /** Limit of live sessions of one workload: the default allows a deployment of ten thousand pods two each. */
    sessionsPerWorkload: z.int().min(1).max(1_000_000).default(20_000),
    maxSessionSeconds: z.int().min(60).max(86_400).default(3_600),
    /** Limit of a secret's value, as the JSON text of its data. */
    maxValueBytes: z.int().min(1_024).max(1_048_576).default(65_536),
    /** Timeout for the calls that a request makes to other systems. */
    requestSeconds: z.int().min(1).max(25).default(20),
    /** Limit of event streams open at a time, of all callers together. */
    eventStreams: z.int().min(1).max(100_000).default(16_000),
    /** Rate of each workload and each operator token: the weights of the operations it calls. */
    identityRate: rate(2_000, 4_000),
    /**
     * Rate of denied requests and denied items of batches, for each workload and each operator token. Above it the answer is
     * ERR_RATE_LIMITED.
     */
    denialRate: rate(50, 500),
    /** Rate of successful logins of each workload. A rollout of many pods of one service account is a burst. */
    loginRate: rate(50, 1_000),
    /**
     * Rate of requests without a known session, for each source network (an IPv4 address, or the /64 of an IPv6 address). A login
     * weighs 1, a failure 10 more.
     */
    addressRate: rate(100, 500),
    /** Rate of the requests of each source of alerts. */
    alertRate: rate(1_000, 5_000),
  })
  .prefault({});

export type ListenerConfig = z.infer<typeof listenerConfigSchema>;
/** Schemes that clients may use. Behind a proxy that terminates TLS, the client's scheme differs from the one that arrives. */
export function schemesOf({ tls: files, plaintextBehindProxy }: ListenerConfig): readonly string[] {
  if (files !== undefined) return ['https'];
  return plaintextBehindProxy ? ['https', 'http'] : ['http'];
}

export type LimitsConfig = z.infer<typeof limitsConfigSchema>;
