import { z } from 'zod';

const LOOPBACK = new Set(['127.0.0.1', '[::1]', 'localhost']);

function isEndpoint(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || `${url.username}${url.password}${url.search}${url.hash}` !== '') return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.has(url.hostname));
}

export const awsEndpoint = z
  .string()
  .refine(isEndpoint, 'an https address without user, query or fragment (http on loopback only)');

/** The fields that say how to reach AWS and as whom; a connection's schema spreads them. */
export const awsAccessFields = {
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+){1,3}-[0-9]{1,2}$/, 'a region, for example eu-central-1'),
  /** Instead of the region's public endpoint: a VPC endpoint, or an emulator on loopback. */
  endpoint: awsEndpoint.optional(),
  /** A profile of the shared AWS configuration (keys, `role_arn`, web identity, SSO); absent: the SDK's default chain. */
  profile: z
    .string()
    .regex(/^[A-Za-z0-9._/@+-]{1,128}$/)
    .optional(),
} as const;

export type AwsAccess = z.infer<z.ZodObject<typeof awsAccessFields>>;
