import { z } from 'zod';
import { databaseServerFields, isLoopback } from '../sql/config.ts';
import { guardLimitsSchema } from '../guard/config.ts';

const MOST_URL = 2048;

/** https, or http to loopback where TLS is switched off in so many words: values of secrets go over it. */
function isFitting(text: string, tls: unknown): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== '' || url.password !== '' || url.hash !== '') return false;
  if (url.protocol === 'https:') return tls !== 'off';
  return (
    url.protocol === 'http:' && tls === 'off' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''))
  );
}

/** A connection of the configuration file: who changes credentials for us, over HTTPS. */
export const webhookConnectionSchema = z
  .strictObject({
    type: z.literal('webhook'),
    url: z.string().min(1).max(MOST_URL),
    /** The key of the signatures, at least 32 characters. Read again at each use. */
    secretFile: z.string().min(1).max(4096),
    tls: databaseServerFields.tls,
    /** Loopback, RFC 1918 and the like; addresses of metadata services stay refused. */
    allowPrivateAddresses: z.boolean().default(false),
    limits: guardLimitsSchema.prefault({}),
    /** The targets that definitions may name. */
    locators: databaseServerFields.locators,
  })
  .refine(({ url, tls }) => isFitting(url, tls), {
    path: ['url'],
    message:
      'is https://…, or http:// on a loopback address with tls: off; without a user and a fragment',
  });

export type WebhookConnectionConfig = z.infer<typeof webhookConnectionSchema>;
