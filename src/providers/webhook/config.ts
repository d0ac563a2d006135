import * as z from 'zod';
import { databaseServerFields, isLoopback } from '../server/config.ts';
import { guardLimitsSchema } from '../guard/config.ts';
import { passwordOptions, secretKey } from '../rotator/options.ts';

const MOST_URL = 2048;

/** Requires https, or http to loopback if TLS is explicitly off: the connection carries secret values. */
function isFitting(text: string, tls: unknown): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  if (url.protocol === 'https:') return tls !== 'off';
  return (
    url.protocol === 'http:' && tls === 'off' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
  );
}

/** A connection of the configuration file: a receiver that changes credentials for the broker, over HTTPS. */
export const webhookConnectionSchema = z
  .strictObject({
    type: z.literal('webhook'),
    url: z.string().min(1).max(MOST_URL),
    /** File of the key of the signatures, at least 32 characters. Read again at each use. */
    secretFile: z.string().min(1).max(4096),
    tls: databaseServerFields.tls,
    /** True: the receiver may be on loopback, in RFC 1918 networks and similar. Addresses of metadata services stay refused. */
    allowPrivateAddresses: z.boolean().default(false),
    limits: guardLimitsSchema.prefault({}),
    /** Targets that definitions may name. */
    locators: databaseServerFields.locators,
  })
  .refine(({ url, tls }) => isFitting(url, tls), {
    path: ['url'],
    message:
      'is https://…, or http:// on a loopback address with tls: off; without a user and a fragment',
  });

export type WebhookConnectionConfig = z.infer<typeof webhookConnectionSchema>;

const MOST_CONSTANTS = 32;
const MOST_TEXT = 1024;
const MOST_MADE = 32;
const target = z
  .string()
  .max(MOST_TEXT)
  .refine(
    (text) => text.split('/').every(isSegment),
    'is a place such as accounts/app: segments joined by /, each percent-encoded',
  );

/** A target has one spelling: characters that RFC 3986 does not reserve stay, all others are encoded. */
function isSegment(text: string): boolean {
  if (text === '' || text === '.' || text === '..') return false;
  try {
    const name = decodeURIComponent(text);
    return !/\p{Cc}/u.test(name) && encodeSegment(name) === text;
  } catch {
    return false;
  }
}

function encodeSegment(name: string): string {
  return encodeURIComponent(name).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/**
 * Strategy `webhook`. A value consists of a text that the broker generates (`password`), or of keys that the receiver creates (`makes`).
 */
export const webhookOptions = z
  .strictObject({
    /** The target to change. It is compared with the connection's `locators`, and the receiver must rely on nothing else. */
    target,
    slots: z.enum(['one', 'two']),
    drillable: z.boolean().default(false),
    password: passwordOptions.optional(),
    keys: z.strictObject({ password: secretKey.default('password') }).prefault({}),
    makes: z.array(secretKey).min(1).max(MOST_MADE).optional(),
    /** Constants for the receiver. */
    data: z
      .record(secretKey, z.union([z.string().max(MOST_TEXT), z.number(), z.boolean()]))
      .refine((data) => Object.keys(data).length <= MOST_CONSTANTS, `at most ${MOST_CONSTANTS}`)
      .default({}),
  })
  .refine(({ password, makes }) => password === undefined || makes === undefined, {
    path: ['makes'],
    message: 'is what the receiver makes; password is what the broker generates: one of the two',
  })
  .refine(({ drillable, slots }) => !drillable || slots === 'two', {
    path: ['drillable'],
    message: 'needs two slots: with one, a drill ends the value that is in use',
  });

export type WebhookOptions = z.output<typeof webhookOptions>;
